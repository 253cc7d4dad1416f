// @ts-check
/**
 * Where a command is or was, step by step: each step with its time, and a bar of its share.
 *
 * Where it stands: above line.js, fetched when somebody asks. What has come home is told by the
 * servers' clocks; what has not, by this browser's, and its last step grows while one watches.
 */
import { copyButton, h } from "./dom.js";
import { duration, since } from "./times.js";

/** @typedef {import("./client.js").Entry} Entry */

/** The steps of a timeline, each with what has been done when it is over. */
const STEPS = [
  ["published_at", "Published: new, stored in the stream"],
  ["received_at", "Received by a reactor"],
  ["decided_at", "Decided and saved"],
  ["announced_at", "Announced"],
  ["sent_at", "Sent home"],
];
/** @type {Record<string, string>} */
const WAITS = {
  sending: "the server, to accept it",
  retrying: "the server, which does not answer; it is sent again",
  accepted: "a reactor, to take and decide it",
  late: "a reactor, to take and decide it; its time is up, and its outcome will come all the same",
};
const GROW_MS = 200;

/** What is drawn of a command as it is now. @param {Entry} entry */
export function waterfall(entry) {
  const list = h("ol.waterfall", { "aria-label": "Steps" });
  if (entry.outcome) list.append(...home(entry.outcome.timeline));
  else if (WAITS[entry.state]) grow(list, entry);
  else list.append(stepRow("Not accepted", "–", 0, 0));
  return list;
}

/** @param {any} timeline */
function home(timeline) {
  const start = Date.parse(timeline.accepted_at);
  const steps = STEPS.filter(([step]) => timeline[step]).map(([step, text]) => ({ text, ms: Math.max(0, Date.parse(timeline[step]) - start) }));
  const whole = Math.max(1, ...steps.map(({ ms }) => ms));
  let before = 0;
  return [stepRow("Accepted", "0 ms", 0, 0), ...steps.map(({ text, ms }) => {
    const took = Math.max(0, ms - before);
    const row = stepRow(text, duration(took), before / whole, took / whole);
    before = Math.max(before, ms);
    return row;
  })];
}

/** The last step is open: it grows towards the end of the wait, and from there on it is the whole. @param {HTMLElement} list @param {Entry} entry */
function grow(list, { at, acceptedAt, timeout = 0 }) {
  const began = acceptedAt ?? at;
  const open = stepRow(acceptedAt ? "Waiting for a reactor" : "Not accepted yet", since(began), 0, 0);
  open.classList.add("open");
  const stored = acceptedAt && stepRow("Published: new, stored in the stream", duration(acceptedAt - at), 0, 0);
  list.append(...[stored, open].filter(Boolean));
  const draw = () => {
    const whole = Math.max(timeout * 1000, Date.now() - at, 1);
    if (stored) place(stored, 0, (began - at) / whole);
    place(open, (began - at) / whole, (Date.now() - began) / whole);
  };
  draw();
  const timer = setInterval(() => (list.isConnected ? draw() : clearInterval(timer)), GROW_MS);
}

/** @param {string} text @param {string | Node} took @param {number} from @param {number} share */
function stepRow(text, took, from, share) {
  const row = h("li", h("span", text), h("span.ms", took), h("b", { "aria-hidden": "true" }, h("i")));
  place(row, from, share);
  return row;
}

/** @param {HTMLElement} row @param {number} from @param {number} share */
function place(row, from, share) {
  const { style } = /** @type {HTMLElement} */ (row.querySelector("i"));
  style.marginLeft = `${from * 100}%`;
  style.width = `${share * 100}%`;
}

/** What a command that is out waits for, in a sentence. @param {Entry} entry */
export const waitsFor = ({ state }) => WAITS[state] && h("p.small", `It waits for ${WAITS[state]}.`);

/** What names it, and where it lies. @param {Entry} entry */
export function facts({ type, key, commandId, sequence, outcome }) {
  /** @param {string} term @param {any} value @param {string} [copied] */
  const fact = (term, value, copied) => value && h("div", h("dt", term), h("dd", copied ? h("code", value) : value, copied && copyButton(() => copied)));
  const { partition, sequence: place = sequence } = outcome?.position ?? {};
  const where = place && (partition === undefined ? `message ${place} of the stream` : `message ${place} of the stream, partition ${partition}`);
  return h("dl.facts",
    fact("Type", h("code", type)),
    fact("Key", key, key),
    fact("Command", commandId ?? "has no id yet", commandId),
    fact("Trace", outcome?.trace_id ?? "is told with the outcome", outcome?.trace_id),
    fact("Place", where),
  );
}

/** The whole of it, as JSON. @param {Entry} entry @param {string} [name] */
export function raw({ commandId: command_id, type, payload, outcome }, name = command_id ?? "No id yet") {
  const json = JSON.stringify(outcome ?? { command_id, type, payload, status: "pending" }, null, 2);
  return [
    h("div.head", h("code", name), copyButton(() => json)),
    h("pre", { tabindex: "0", role: "region", "aria-label": "Raw JSON" }, json),
  ];
}
