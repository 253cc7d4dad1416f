// @ts-check
/**
 * Short messages at the edge, and the one live region that speaks. Where it stands: below app.js.
 *
 * The toasts themselves are not live, so that a screen reader hears each outcome once.
 */
import { h } from "./dom.js";
import { loop } from "./line.js";

const STAY_MS = 8000;
const TOASTS_MAX = 4;

/** @typedef {{id: string, state: string, text: string, note?: string, link?: {to: string, text: string}}} Toast */

/**
 * @param {HTMLElement} box
 * @param {HTMLElement} voice
 */
export function createToasts(box, voice) {
  /** @param {string} id */
  const find = (id) => /** @type {HTMLElement[]} */ ([...box.children]).find((one) => one.dataset.id === id);
  /** @param {string} text */
  const say = (text) => voice.append(h("p", text));

  /** Show a toast; one with the same id takes the place of the former. @param {Toast} toast */
  function show({ id, state, text, note, link }) {
    const close = () => element.remove();
    const element = h("li.toast", { data: { id, state } },
      loop(state),
      h(
        "div",
        h("p.strong", text),
        note && h("p", note),
        link && h("a", { href: link.to, onclick: close }, link.text),
      ),
      h("button", { type: "button", class: "quiet", "aria-label": `Close: ${text}`, onclick: close }, "×"),
    );
    const former = find(id);
    former ? former.replaceWith(element) : box.prepend(element);
    while (box.children.length > TOASTS_MAX) box.lastElementChild?.remove();
    while (voice.children.length > TOASTS_MAX) voice.firstElementChild?.remove();
    say([text, note].filter(Boolean).join(" "));
    if (state === "succeeded") fade(element);
  }

  return { show, say, drop: (/** @type {string} */ id) => find(id)?.remove(), clear: () => box.childElementCount > 0 && [box.replaceChildren()] };
}

/** Good news leaves by itself, but not while one reads it or looks elsewhere. @param {HTMLElement} element */
function fade(element) {
  const busy = () => document.hidden || element.matches(":hover, :focus-within");
  const leave = () => (busy() ? setTimeout(leave, 2000) : element.remove());
  setTimeout(leave, STAY_MS);
}
