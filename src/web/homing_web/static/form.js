// @ts-check
/** Fields with their rules beside them, and errors put in their place. */
import { h } from "./dom.js";
import { CATEGORIES, DESCRIPTION_MAX, NAME_MAX } from "./locations.js";

let count = 0;

/**
 * A labelled control with its rule beside it and its error below.
 * @param {string} name
 * @param {string} text
 * @param {string} rule
 * @param {HTMLElement} control
 */
function field(name, text, rule, control) {
  const id = `${name}-${++count}`;
  control.id = id;
  control.setAttribute("name", name);
  control.setAttribute("aria-describedby", `${id}-rule ${id}-error`);
  return h("div.field", { data: { field: name } },
    h("label", { for: id }, text),
    h("p.rule", { id: `${id}-rule` }, rule),
    control,
    h("p.error", { id: `${id}-error`, hidden: true }),
  );
}

/** @param {string} [value] @param {string} [text] */
export function nameField(value, text = "Name") {
  const input = h("input", { type: "text", required: true, data: { max: NAME_MAX }, autocomplete: "off", value });
  return field("name", text, `1 to ${NAME_MAX} characters; no other location on the map has it.`, input);
}

/** @param {string} [value] */
export function categoryField(value) {
  const options = CATEGORIES.map((one) => h("option", { value: one, selected: one === value }, one));
  const select = h("select", { required: true }, value ? null : h("option", { value: "" }, "Choose one"), options);
  return field("category", "Category", "What kind of place it is.", select);
}

/** @param {string} [value] */
export function descriptionField(value) {
  const text = h("textarea", { rows: 3, data: { max: DESCRIPTION_MAX } }, value);
  return field("description", "Description", `May stay empty; at most ${DESCRIPTION_MAX.toLocaleString("en")} characters.`, text);
}

/**
 * Put each error at its field; focus goes to the first.
 * @param {HTMLFormElement} form
 * @param {Record<string, string>} errors
 * @returns {string} what belongs to no field
 */
export function showErrors(form, errors) {
  const homeless = new Map(Object.entries(errors).map(([path, text]) => [path.split(".").pop() ?? "", text]));
  /** @type {HTMLElement | undefined} */
  let first;
  for (const box of /** @type {NodeListOf<HTMLElement>} */ (form.querySelectorAll(".field"))) {
    const name = box.dataset.field ?? "";
    const text = homeless.get(name) ?? "";
    homeless.delete(name);
    const [error, control] = /** @type {HTMLElement[]} */ ([box.querySelector(".error"), box.querySelector("[name]")]);
    error.hidden = !text;
    error.textContent = text;
    control.ariaInvalid = text ? "true" : null;
    if (text) first ??= control;
  }
  first?.focus();
  return [...homeless.values()].join(" ");
}

const MISSING = /** @type {Record<string, string>} */ ({ name: "Give it a name.", category: "Choose a category." });

/** What can be told before anything is sent, as errors by field. @param {HTMLFormElement} form */
export function localErrors(form) {
  /** @type {Record<string, string>} */
  const errors = {};
  for (const control of /** @type {Iterable<HTMLInputElement>} */ (/** @type {unknown} */ (form.elements))) {
    if (control.required && !control.value.trim()) errors[control.name] = MISSING[control.name] ?? "Say for how many seconds.";
    // As the server counts, which `maxlength` does not: an emoji is one character.
    else if ([...control.value].length > Number(control.dataset.max)) errors[control.name] = `At most ${control.dataset.max} characters.`;
    else if (control.willValidate && !control.validity.valid) errors[control.name] = control.validationMessage;
  }
  return errors;
}
