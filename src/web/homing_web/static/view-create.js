// @ts-check
/** The create page. */
import { createCommandForm } from "./command-form.js";
import { h } from "./dom.js";
import { categoryField, descriptionField, nameField } from "./form.js";
import { REGISTER } from "./locations.js";
import { createWaits } from "./waits.js";

/**
 * @param {import("./command-form.js").Parts} parts
 * @returns {import("./router.js").View}
 */
export function createCreateView(parts) {
  return ({ query, left }) => {
    const former = parts.client.ledger.find(query.get("from") ?? "")?.payload ?? {};
    const form = createCommandForm(parts, {
      type: REGISTER,
      fields: [nameField(former.name), categoryField(former.category), descriptionField(former.description)],
      button: "Register",
      waits: createWaits(parts.client),
      payload: ({ name, category, description }) => ({ name, category, description }),
      left,
    });
    const about = h("p.prose.muted", "Send the command, see it on its way, see it come home: the line below the form shows how far it is.");
    const back = h("p.back", h("a", { href: "/locations" }, "All locations"));
    return { title: "New location", element: h("section", back, h("h1", "New location"), about, form) };
  };
}
