// @ts-check
/** Builds elements and says times: what every view needs, and nothing of what they show. */

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * An element. `on…` properties are listeners, `data` fills the dataset, the rest are attributes.
 * Text is always text: nothing that a server sent is ever parsed as HTML.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...(Child | Child[])} children
 * @returns {any}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
  for (const child of children.flat()) if (child) element.append(child);
  return element;
}

/**
 * The line of one command as a loop: it closes as far as the command has come.
 * @param {string} state
 */
export function loop(state) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "loop");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.dataset.state = state;
  const marks = { succeeded: "M8 12.4l2.8 2.8 5.4-6", late: "M12 8v4.4l2.6 1.6" };
  const cross = "M9 9l6 6M15 9l-6 6";
  const mark = ["rejected", "failed", "refused"].includes(state) ? cross : marks[/** @type {"late"} */ (state)];
  for (const [kind, d] of [["track", RING], ["way", RING], ["mark", mark]]) {
    if (!d) continue;
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", kind);
    path.setAttribute("d", d);
    path.setAttribute("pathLength", "100");
    svg.append(path);
  }
  return svg;
}

const RING = "M12 2.5a9.5 9.5 0 1 1 0 19a9.5 9.5 0 1 1 0-19";

/** @param {number} ms */
export function duration(ms) {
  if (ms < 0) return "0 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}

/**
 * A time as people say it, the exact one on hover.
 * @param {string | number} at
 */
export function when(at) {
  const date = new Date(at);
  const seconds = (Date.now() - date.getTime()) / 1000;
  const props = { datetime: date.toISOString(), title: date.toLocaleString() };
  return h("time", props, spoken(seconds, date));
}

/** @param {number} seconds @param {Date} date */
function spoken(seconds, date) {
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  if (seconds < 7 * 86_400) return `${Math.round(seconds / 86_400)} d ago`;
  return date.toLocaleDateString(undefined, { dateStyle: "medium" });
}

/**
 * Show a placeholder only if the wait is long enough to be seen.
 * @template T
 * @param {Promise<T>} promise
 * @param {() => void} show
 * @returns {Promise<T>}
 */
export function patiently(promise, show) {
  const timer = setTimeout(show, 200);
  return promise.finally(() => clearTimeout(timer));
}

/** Grey rows that stand for what is being loaded. @param {number} count */
export function skeleton(count) {
  const rows = Array.from({ length: count }, () => h("li", { class: "bone" }));
  return h("ul", { class: "rows", "aria-hidden": "true" }, rows);
}

/**
 * What went wrong, with a way on.
 * @param {string} title
 * @param {string} detail
 * @param {() => void} again
 */
export function trouble(title, detail, again) {
  return h(
    "div",
    { class: "empty", role: "alert" },
    h("p", { class: "strong" }, title),
    h("p", {}, detail),
    h("button", { type: "button", onclick: again }, "Try again"),
  );
}
