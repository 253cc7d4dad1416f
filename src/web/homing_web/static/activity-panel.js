// @ts-check
/** Shows the activity, a log one can read: beside the content, on a phone a sheet from the bottom. */
import { isOpen } from "./client.js";
import { arrange, createKeyed, h } from "./dom.js";
import { loop } from "./line.js";
import { REGISTER, action, describe } from "./locations.js";
import { duration, since, when } from "./times.js";

/** @typedef {import("./client.js").Entry} Entry */

/** @type {Record<string, string>} */
const SAID = {
  sending: "Sending",
  retrying: "Not sent yet, it is tried again",
  accepted: "Waiting for a reactor",
  late: "Available shortly",
  succeeded: "Done",
  rejected: "Rejected",
  failed: "Failed",
  refused: "Not accepted",
  gone: "Outcome unknown",
};

/** What came of it, and how long it took. @param {Entry} entry */
export function said(entry) {
  const words = SAID[entry.state] ?? entry.state;
  if (isOpen(entry)) return [`${words}, `, since(entry.at)];
  const took = entry.tookMs === undefined ? "" : ` in ${duration(entry.tookMs)}`;
  return [words + took, entry.detail ? `: ${entry.detail}` : ""];
}

/**
 * @param {HTMLElement} panel
 * @param {HTMLElement} handle
 * @param {import("./client.js").Client} client
 */
export function showActivity(panel, handle, { ledger }) {
  const list = h("ol.log");
  const clear = h("button", { type: "button", class: "quiet", onclick: ledger.clear }, "Clear");
  const heading = h("h2", { tabindex: "-1" }, "Activity");
  const close = h("button", { type: "button", class: "quiet fold", "aria-label": "Close the activity" }, "×");
  const none = h("p.muted.none", "What you send appears here, with what came of it.");
  panel.replaceChildren(h("div.head", heading, h("span", h("a", { href: "/commands" }, "Follow all"), clear, close)), none, list);

  const keyed = createKeyed(rowOf);
  const draw = () => {
    const entries = ledger.list();
    const open = entries.filter(isOpen).length;
    arrange(list, keyed(entries.map((entry) => ({ key: entry.id, item: entry }))));
    none.hidden = entries.length > 0;
    clear.hidden = entries.length === open;
    handle.replaceChildren("Activity", open ? h("span.count", `${open} on the way`) : "");
  };
  ledger.watch(draw);
  draw();

  const wide = matchMedia("(min-width: 60rem)");
  const isUnfolded = () => panel.classList.contains("open");
  /** @param {boolean} open */
  const unfold = (open) => {
    panel.classList.toggle("open", open);
    handle.setAttribute("aria-expanded", String(open || wide.matches));
    open || wide.matches ? heading.focus() : handle.focus();
  };
  handle.setAttribute("aria-expanded", String(wide.matches));
  handle.addEventListener("click", () => unfold(wide.matches ? false : !isUnfolded()));
  close.addEventListener("click", () => unfold(false));
  panel.addEventListener("click", (event) => {
    if (/** @type {Element} */ (event.target).closest("a")) panel.classList.remove("open");
  });
  return { isUnfolded, fold: () => unfold(false) };
}

/** @param {Entry} entry @param {HTMLElement} [former] */
function rowOf(entry, former) {
  const to = action(entry, "redirect")?.to;
  const again = entry.type === REGISTER && ["rejected", "refused"].includes(entry.state);
  /** @param {string} href @param {string} text */
  const link = (href, text) => [" · ", h("a", { href, "aria-label": `${text}: ${describe(entry)}` }, text)];
  const unfolded = former?.querySelector("details")?.open ?? false;
  return h(
    "li",
    { data: { state: entry.state } },
    loop(entry.state),
    h(
      "div",
      h("p.strong", describe(entry)),
      h("p.said", said(entry)),
      h("p.small", when(entry.at), link(`/commands/${entry.id}`, "Follow"), to && link(to, "Open"), again && link(`/locations/new?from=${entry.id}`, "Edit and send again")),
      details(entry, unfolded),
    ),
  );
}

/** @param {Entry} entry @param {boolean} open */
function details(entry, open) {
  const element = h("details", { open }, h("summary", "Where is my command?"));
  const fill = async () => {
    if (!element.open || element.childElementCount > 1) return;
    const { raw, waterfall } = await import("./waterfall.js");
    element.append(waterfall(entry), ...raw(entry));
  };
  element.addEventListener("toggle", fill);
  void fill();
  return element;
}
