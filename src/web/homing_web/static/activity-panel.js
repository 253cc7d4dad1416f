// @ts-check
/** Shows the activity: a column beside the content, on a phone a sheet from the bottom. */
import { isOpen } from "./activity.js";
import { duration, h, loop, when } from "./dom.js";
import { describe } from "./locations.js";

/** @typedef {import("./activity.js").Entry} Entry */

const SAID = {
  sending: "Sending",
  retrying: "Not sent yet: the server does not answer. It is tried again.",
  accepted: "Accepted, waiting for the outcome",
  late: "Available shortly",
  succeeded: "Done",
  rejected: "Rejected",
  failed: "Failed",
  refused: "Not accepted",
  gone: "Outcome unknown",
};

/** What became of it, in one line. @param {Entry} entry */
export function said(entry) {
  const words = SAID[/** @type {"sending"} */ (entry.state)] ?? entry.state;
  if (entry.state === "succeeded") return `${words} in ${duration(entry.tookMs ?? 0)}`;
  if (isOpen(entry) || !entry.detail) return words;
  return `${words}: ${entry.detail}`;
}

/**
 * @param {HTMLElement} panel
 * @param {HTMLElement} handle
 * @param {ReturnType<typeof import("./activity.js").createActivity>} activity
 */
export function showActivity(panel, handle, activity) {
  const list = h("ol", { class: "log" });
  const clear = h("button", { type: "button", class: "quiet", onclick: activity.clear }, "Clear");
  const heading = h("h2", { id: "activity-title", tabindex: "-1" }, "Activity");
  const none = h("p", { class: "muted" }, "What you send appears here, with what came of it.");
  panel.replaceChildren(h("div", { class: "head" }, heading, clear), none, list);

  /** @type {Map<string, {as: string, row: HTMLElement}>} */
  let rows = new Map();
  const draw = () => {
    const entries = activity.list();
    const next = new Map();
    for (const entry of entries) {
      const as = JSON.stringify(entry);
      const known = rows.get(entry.id);
      // An unchanged row stays the same element: what is unfolded or focused in it stays so.
      next.set(entry.id, known?.as === as ? known : { as, row: rowOf(entry, known?.row) });
    }
    rows = next;
    const elements = [...rows.values()].map(({ row }) => row);
    if (elements.some((row, i) => list.children[i] !== row) || list.children.length !== elements.length) {
      list.replaceChildren(...elements);
    }
    const open = entries.filter(isOpen).length;
    none.hidden = entries.length > 0;
    clear.hidden = entries.length === open;
    handle.replaceChildren("Activity", open ? h("span", { class: "count" }, `${open} open`) : "");
  };
  activity.watch(draw);
  draw();

  const wide = matchMedia("(min-width: 60rem)");
  /** @param {boolean} open */
  const unfold = (open) => {
    panel.classList.toggle("open", open);
    handle.setAttribute("aria-expanded", String(open || wide.matches));
    if (open || wide.matches) heading.focus();
  };
  handle.addEventListener("click", () => unfold(!panel.classList.contains("open")));
  addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !panel.classList.contains("open")) return;
    unfold(false);
    handle.focus();
  });
  panel.addEventListener("click", (event) => {
    if (/** @type {Element} */ (event.target).closest("a")) panel.classList.remove("open");
  });
}

/** @param {Entry} entry @param {HTMLElement} [former] */
function rowOf(entry, former) {
  const to = entry.outcome?.actions.find((/** @type {any} */ action) => action.type === "redirect")?.to;
  const again = ["rejected", "refused"].includes(entry.state) && `/locations/new?from=${entry.id}`;
  const unfolded = former?.querySelector("details")?.open;
  return h(
    "li",
    { data: { state: entry.state } },
    loop(entry.state),
    h(
      "div",
      {},
      h("p", { class: "strong" }, describe(entry.type, entry.payload)),
      h("p", { class: "said" }, said(entry)),
      h("p", { class: "small" }, when(entry.at), to && [" · ", h("a", { href: to }, "Open")],
        again && [" · ", h("a", { href: again }, "Edit and send again")].flat()),
      entry.commandId && details(entry, unfolded),
    ),
  );
}

/** @param {Entry} entry @param {boolean} [open] */
function details(entry, open) {
  const json = JSON.stringify(entry.outcome ?? { command_id: entry.commandId, status: "pending" }, null, 2);
  const copy = h("button", { type: "button", class: "quiet", onclick: () => navigator.clipboard.writeText(json) }, "Copy");
  return h(
    "details",
    { open },
    h("summary", {}, "Where is my command?"),
    entry.outcome && waterfall(entry.outcome.timeline),
    h("p", { class: "small" }, "Command ", h("code", {}, entry.commandId)),
    h("div", { class: "raw" }, h("pre", { tabindex: "0", "aria-label": "Raw JSON" }, json), navigator.clipboard && copy),
  );
}

const STEPS = [
  ["published_at", "Stored in the stream"],
  ["received_at", "Taken by a reactor"],
  ["decided_at", "Decided"],
  ["announced_at", "Announced"],
  ["sent_at", "Sent home"],
];

/** The steps by the servers' clocks, each bar from the step before to this one. @param {any} timeline */
function waterfall(timeline) {
  const start = Date.parse(timeline.accepted_at);
  const known = STEPS.filter(([step]) => timeline[step]).map(([step, text]) => ({
    text,
    ms: Math.max(0, Date.parse(timeline[step]) - start),
  }));
  const whole = Math.max(1, ...known.map(({ ms }) => ms));
  let before = 0;
  const items = known.map(({ text, ms }) => {
    const bar = h("i");
    bar.style.marginLeft = `${(before / whole) * 100}%`;
    bar.style.width = `${(Math.max(0, ms - before) / whole) * 100}%`;
    before = Math.max(before, ms);
    return h("li", {}, h("span", {}, text), h("span", { class: "ms" }, duration(ms)), h("b", {}, bar));
  });
  return h("ol", { class: "waterfall" }, items);
}
