// @ts-check
/** The create form's elements: fields with their rules, the choices of how to wait, errors in place. */
import { h } from "./dom.js";
import { CATEGORIES, DESCRIPTION_MAX, NAME_MAX } from "./locations.js";

/** @typedef {{wait: "page" | "response", timeout: number, slow: boolean, delay: number, open: boolean}} Options */

/** @type {Options} */
const DEFAULTS = { wait: "page", timeout: 10, slow: false, delay: 3, open: false };
const KEPT = "homing.options";

/** @returns {Options} */
export function readOptions() {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEPT) ?? "{}") };
  } catch {
    return DEFAULTS;
  }
}

/** @param {Options} options */
export function keepOptions(options) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(options));
  } catch {
    // Kept for this page only.
  }
}

/**
 * A labelled control with its rule beside it and its error below.
 * @param {string} name
 * @param {string} text
 * @param {string} rule
 * @param {HTMLElement} control
 */
function field(name, text, rule, control) {
  control.id = `field-${name}`;
  control.setAttribute("name", name);
  control.setAttribute("aria-describedby", `rule-${name} error-${name}`);
  return h(
    "div",
    { class: "field", data: { field: name } },
    h("label", { for: control.id }, text),
    h("p", { class: "rule", id: `rule-${name}` }, rule),
    control,
    h("p", { class: "error", id: `error-${name}`, hidden: true }),
  );
}

/** The three fields of a location. @param {{name?: string, category?: string, description?: string}} values */
export function locationFields(values) {
  const name = h("input", { type: "text", required: true, maxlength: NAME_MAX, autocomplete: "off", value: values.name });
  const category = h(
    "select",
    { required: true },
    h("option", { value: "" }, "Choose one"),
    CATEGORIES.map((one) => h("option", { value: one, selected: one === values.category }, one)),
  );
  const description = h("textarea", { rows: 4, maxlength: DESCRIPTION_MAX }, values.description ?? "");
  return [
    field("name", "Name", `1 to ${NAME_MAX} characters.`, name),
    field("category", "Category", "What kind of place it is.", category),
    field("description", "Description", `May stay empty; at most ${DESCRIPTION_MAX.toLocaleString()} characters.`, description),
  ];
}

/** @param {Options} options */
export function waitFields(options) {
  /** @param {"page" | "response"} value @param {string} text @param {string} shows */
  const radio = (value, text, shows) =>
    h(
      "label",
      { class: "choice" },
      h("input", { type: "radio", name: "wait", value, checked: options.wait === value }),
      h("span", {}, h("span", { class: "strong" }, text), h("span", { class: "rule" }, shows)),
    );
  const seconds = (/** @type {string} */ name, /** @type {number} */ value, /** @type {number} */ min, /** @type {number} */ max) =>
    h("input", { type: "number", name, value, min, max, step: "any", inputmode: "decimal", required: true });
  const slow = h("input", { type: "checkbox", name: "slow", checked: options.slow });
  const element = h(
    "details",
    { class: "waits", open: options.open },
    h("summary", {}, "How to wait"),
    h(
      "fieldset",
      {},
      h("legend", {}, "Where the answer is waited for"),
      radio("page", "On this page", "The command is accepted at once; the page listens for the outcome on an event stream (SSE)."),
      radio("response", "In the response", "The server holds its response until the outcome is there or the time is up."),
    ),
    h("label", { class: "inline" }, "For at most", seconds("timeout", options.timeout, 0, 30), "seconds"),
    h(
      "div",
      { class: "demo", hidden: true },
      h("label", { class: "inline" }, slow, "Make the reactor slow"),
      h("label", { class: "inline" }, "by", seconds("delay", options.delay, 0, 5), "seconds"),
      h("p", { class: "rule" }, "A delay longer than the wait shows what late looks like."),
    ),
  );
  return element;
}

/** @param {HTMLFormElement} form @returns {Options} */
export function chosenOptions(form) {
  const data = new FormData(form);
  return {
    wait: data.get("wait") === "response" ? "response" : "page",
    timeout: Number(data.get("timeout")),
    slow: data.get("slow") === "on",
    delay: Number(data.get("delay")),
    open: /** @type {HTMLDetailsElement} */ (form.querySelector(".waits")).open,
  };
}

/**
 * Put each error at its field; focus goes to the first.
 * @param {HTMLFormElement} form
 * @param {Record<string, string>} errors
 * @returns {string[]} what belongs to no field
 */
export function showErrors(form, errors) {
  const homeless = new Map(Object.entries(errors).map(([path, text]) => [path.split(".").pop() ?? "", text]));
  /** @type {HTMLElement | undefined} */
  let first;
  for (const box of /** @type {NodeListOf<HTMLElement>} */ (form.querySelectorAll(".field"))) {
    const text = homeless.get(box.dataset.field ?? "");
    homeless.delete(box.dataset.field ?? "");
    const error = /** @type {HTMLElement} */ (box.querySelector(".error"));
    const control = /** @type {HTMLElement} */ (box.querySelector("input, select, textarea"));
    error.hidden = !text;
    error.textContent = text ?? "";
    text ? control.setAttribute("aria-invalid", "true") : control.removeAttribute("aria-invalid");
    if (text) first ??= control;
  }
  first?.focus();
  return [...homeless.values()];
}

/** What the browser itself finds wrong, as errors by field. @param {HTMLFormElement} form */
export function localErrors(form) {
  /** @type {Record<string, string>} */
  const errors = {};
  for (const control of form.elements) {
    if (!(control instanceof HTMLInputElement || control instanceof HTMLSelectElement || control instanceof HTMLTextAreaElement)) continue;
    if (!control.validity.valid) errors[control.name] = control.validationMessage;
  }
  return errors;
}
