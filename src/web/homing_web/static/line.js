// @ts-check
/**
 * The one drawing of this page: a thin line that leaves and comes home.
 *
 * As a small loop beside a name, and as the way of a command that is being sent; as a waterfall in
 * waterfall.js. It grows only with steps that have really happened.
 */
import { h } from "./dom.js";

/** @typedef {import("./client.js").Entry} Entry */

const SVG = "http://www.w3.org/2000/svg";
const RING = "M12 2.5a9.5 9.5 0 1 1 0 19a9.5 9.5 0 1 1 0-19";
const CROSS = "M9 9l6 6M15 9l-6 6";
const CLOCK = "M12 8v4.4l2.6 1.6";
/** @type {Record<string, string>} */
const MARKS = {
  succeeded: "M8 12.4l2.8 2.8 5.4-6",
  late: CLOCK,
  retrying: CLOCK,
  rejected: CROSS,
  failed: CROSS,
  refused: CROSS,
  gone: "M9.8 9.6a2.3 2.3 0 1 1 2.2 3.2v1M12 16.6v.1",
};
/** Out along the top, round the turn, back along the bottom. */
const WAY = "M6 6H370a15 15 0 0 1 0 30H6";
const STATIONS = [[6, 6], [188, 6], [385, 21], [6, 36]];
const PLACES = [1, 23, 50, 100];
/** How much of its way a command has behind it, in percent. @type {Record<string, number>} */
const COME = { sending: 6, retrying: 3, refused: 6, accepted: 23.4, late: 23.4, gone: 23.4 };
/** Amber for what is late, red for what was refused; green only where one looks at the moment of success. @type {Record<string, string>} */
const TONES = { late: "late", retrying: "late", gone: "late", rejected: "bad", failed: "bad", refused: "bad", succeeded: "good" };

/** @param {HTMLElement | SVGElement} element @param {string} state */
const colour = (element, state) => Object.assign(element.dataset, { state, tone: TONES[state] ?? "" });

/** @param {string} tag @param {Record<string, string | number>} attributes @param {...Element} children */
function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return /** @type {SVGElement} */ (element);
}

/** The line of one command as a loop: it closes as far as the command has come. @param {string} state */
export function loop(state) {
  const track = svg("path", { class: "track", d: RING });
  const way = svg("path", { d: RING, pathLength: 100, "stroke-dasharray": `${COME[state] ?? 100} 100` });
  const sign = svg("path", { d: MARKS[state] ?? "" });
  const element = svg("svg", { class: "loop", viewBox: "0 0 24 24", "aria-hidden": "true" }, track, way, sign);
  colour(element, state);
  return element;
}

/** The way of the command that is being sent, with a sentence that says where it is. */
export function createWay() {
  const come = svg("path", { class: "come", d: WAY, pathLength: 100, "stroke-dasharray": "0 100" });
  const stations = STATIONS.map(([cx, cy]) => svg("circle", { cx, cy, r: 4.5 }));
  const line = svg("svg", { viewBox: "0 0 396 42" }, svg("path", { class: "track", d: WAY }), come, ...stations);
  const names = (/** @type {string[]} */ ...texts) => h("div.names", texts.map((text) => h("span", text)));
  const note = h("p.note");
  const drawing = h("div.drawing", { "aria-hidden": "true" }, names("Sent", "Stored", "Decided"), line, names("Home"));
  const element = h("div.journey", { hidden: true }, drawing, note);
  /** @param {Entry} entry @param {...(Node | string | null)} words */
  const show = (entry, ...words) => {
    element.hidden = false;
    const share = COME[entry.state] ?? 100;
    colour(element, entry.state);
    come.setAttribute("stroke-dasharray", `${share} 100`);
    stations.forEach((station, i) => station.classList.toggle("passed", share >= PLACES[i]));
    note.replaceChildren(loop(entry.state), h("span", words));
  };
  return { element, show };
}
