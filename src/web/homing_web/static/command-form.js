// @ts-check
/**
 * A form that sends a command: its fields, the way of what it sent, errors where they belong.
 *
 * Where it stands: below the views. What is said here is not said again by a toast: `atForm` holds
 * the entries whose way is on the screen.
 */
import { Problem } from "./client.js";
import { copyButton, h } from "./dom.js";
import { localErrors, showErrors } from "./form.js";
import { createWay } from "./line.js";
import { action, label } from "./locations.js";
import { duration, since } from "./times.js";

/** @typedef {import("./client.js").Entry} Entry */
/** @typedef {{client: import("./client.js").Client, atForm: Set<string>, go: (to: string) => void}} Parts */

/**
 * @typedef {object} Ask
 * @property {string} type of the command
 * @property {HTMLElement[]} fields
 * @property {string} button
 * @property {ReturnType<typeof import("./waits.js").createWaits>} waits
 * @property {(values: any) => any} payload
 * @property {string} [label] what it is about, if the payload does not say
 * @property {AbortSignal} left
 * @property {() => void} [onDone] it succeeded in time, and does not lead elsewhere
 */

/** @param {Parts} parts @param {Ask} ask */
export function createCommandForm({ client, atForm, go }, ask) {
  const { left, waits } = ask;
  const send = h("button", { type: "submit", class: "button" }, ask.button);
  const complaint = h("p.error", { role: "alert", hidden: true });
  const way = createWay();
  const form = h("form", { novalidate: true, class: "ask" }, ask.fields, waits.element, complaint, send, way.element);
  let current = "";
  let sends = false;

  /** @param {...(Node | string | null)} words */
  const complain = (...words) => {
    complaint.replaceChildren(...words.map((word) => word ?? ""));
    complaint.hidden = !complaint.textContent;
  };
  /** @param {Record<string, string>} errors @param {string} [otherwise] */
  const object = (errors, otherwise = "") => complain(Object.keys(errors).length ? showErrors(form, errors) : otherwise);
  const draw = () => {
    const entry = client.ledger.find(current);
    if (!entry) return;
    send.disabled = ["sending", "accepted"].includes(entry.state);
    way.show(entry, ...words(entry));
  };

  /** @param {Entry} entry */
  const settle = (entry) => {
    if (entry.id !== current) return;
    const { status, error, command_id: id } = entry.outcome;
    if (status === "rejected") object(error.fields ?? {}, error.detail || error.title);
    if (status === "failed") complain("It could not be processed. Quote the command’s id: ", h("code", id), copyButton(() => id));
    if (status !== "succeeded" || entry.wasLate) return;
    const redirect = action(entry, "redirect");
    if (redirect) go(redirect.to);
    else ask.onDone?.();
  };

  client.ledger.watch(draw, left);
  client.on("submitted", ({ entry }) => sends && (current = entry.id), left);
  client.on("outcome", ({ entry }) => settle(entry), left);
  left.addEventListener("abort", () => atForm.delete(current));

  form.addEventListener("submit", async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const wrong = localErrors(form);
    showErrors(form, {});
    object(wrong);
    if (wrong.timeout || wrong.delay) waits.element.open = true;
    if (Object.keys(wrong).length) return;
    const payload = ask.payload(Object.fromEntries(new FormData(form)));
    atForm.delete(current);
    sends = true; // other forms are on the page: only this one has the entry that is made now
    const sending = client.submit(ask.type, payload, { ...waits.chosen(), label: ask.label });
    sends = false;
    atForm.add(current);
    draw();
    way.element.scrollIntoView({ block: "nearest" });
    try {
      await sending;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      const errors = Object.fromEntries(problem.errors.map(({ field, detail }) => [field, detail]));
      object(errors, problem.message);
    }
  });

  return form;
}

/** Where it is, in a sentence. @param {Entry} entry @returns {(Node | string)[]} */
function words(entry) {
  const took = duration(entry.tookMs ?? 0);
  const open = action(entry, "redirect");
  switch (entry.state) {
    case "sending":
      return [entry.wait === "response" ? "Sent. The server holds its response, " : "Sending, ", since(entry.at), "."];
    case "retrying":
      return ["Not sent yet: the server does not answer. It is kept in this browser and sent again."];
    case "accepted":
      return ["Stored. Waiting for a reactor to decide, ", since(entry.acceptedAt ?? entry.at), "."];
    case "late":
      return ["It will be available shortly. You can go on, we will tell you here."];
    case "succeeded":
      return [entry.wasLate ? `${label(entry)} is ready now, after ${took}. ` : `Home in ${took}. `, open && h("a", { href: open.to }, "Open")];
    case "rejected":
    case "failed":
      return [`Home in ${took}: ${entry.state}.`];
    default:
      return [entry.detail || "Not accepted."];
  }
}
