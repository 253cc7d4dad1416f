// @ts-check
/** What can be done to a location: rename, move, close; one unfolded at a time. */
import { h } from "./dom.js";

const ACTIONS = /** @type {const} */ (["Rename", "Move", "Close"]);

/**
 * @param {import("./command-form.js").Parts} parts
 * @param {() => import("./locations.js").Location} location as it is now
 * @param {AbortSignal} left
 */
export function createActions(parts, location, left) {
  return h("section.actions", { "aria-label": "Actions" }, ACTIONS.map((title) => {
    const summary = h("summary", title);
    const element = h("details", { name: "action" }, summary);
    const fold = () => {
      element.open = false;
      summary.focus();
    };
    element.addEventListener("toggle", async () => {
      if (!element.open) return;
      const { createActionForm } = await import("./action-form.js");
      // Made anew each time, so that it begins with what is true now.
      element.querySelector("form")?.remove();
      const form = createActionForm(parts, title, location(), left, fold);
      element.append(form);
      form.querySelector("[name]")?.focus();
    });
    element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Escape" || !element.open) return;
      event.stopPropagation();
      fold();
    });
    return element;
  }));
}
