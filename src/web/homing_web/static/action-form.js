// @ts-check
/** The form of one action; fetched with the other forms, when one begins to use the page. */
import { createCommandForm } from "./command-form.js";
import { h } from "./dom.js";
import { categoryField, nameField } from "./form.js";
import { CLOSE, MOVE, RENAME } from "./locations.js";
import { createWaits } from "./waits.js";

/**
 * @param {import("./command-form.js").Parts} parts
 * @param {"Rename" | "Move" | "Close"} title
 * @param {import("./locations.js").Location} location
 * @param {AbortSignal} left
 * @param {() => void} onDone
 */
export function createActionForm(parts, title, { location_id, name, category }, left, onDone) {
  const warning = h("p.prose", "It goes off the map for good, and its name is free for another location.");
  const [type, field, asked] = {
    Rename: [RENAME, nameField(name, "New name"), ["name"]],
    Move: [MOVE, categoryField(category), ["category"]],
    Close: [CLOSE, warning, []],
  }[title];
  return createCommandForm(parts, {
    type: /** @type {string} */ (type),
    fields: [field],
    button: title,
    waits: createWaits(parts.client, true),
    payload: (values) => ({ location_id, ...Object.fromEntries(/** @type {string[]} */ (asked).map((one) => [one, values[one]])) }),
    label: name,
    left,
    onDone,
  });
}
