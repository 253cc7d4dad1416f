// @ts-check
/** Which outcomes become a toast, and in which words; what is shown at its form is not said twice. */
import { REGISTER, action, describe, label } from "./locations.js";

/** @typedef {import("./client.js").Entry} Entry */

/**
 * @param {import("./client.js").Client} client
 * @param {ReturnType<typeof import("./toasts.js").createToasts>} toasts
 * @param {Set<string>} atForm
 */
export function tellOutcomes(client, toasts, atForm) {
  /** @param {Entry} entry */
  const isAtForm = ({ id }) => atForm.has(id);

  client.on("pending", ({ entry }) => {
    const { id, state, commandId: sent } = entry;
    const text = `${describe(entry)}: ${sent ? "it will be available shortly" : "not sent yet"}.`;
    const note = sent ? "You can go on, we will tell you here." : "The server does not answer. It is kept in this browser and sent again.";
    if (isAtForm(entry)) toasts.say(`${text} ${note}`);
    else toasts.show({ id, state, text, note });
  });
  client.on("outcome", ({ entry, mine }) => {
    const leads = isAtForm(entry) && !entry.wasLate; // the form goes there itself
    if (entry.state === "succeeded" || !isAtForm(entry)) toasts.show(toastOf(entry, mine, leads));
    else toasts.say(`${describe(entry)}: ${entry.state}.`);
  });
  client.on("refused", ({ entry, mine, problem }) => {
    if (!mine || !isAtForm(entry)) toasts.show({ id: entry.id, state: "refused", text: `${describe(entry)}: not accepted.`, note: problem.message });
  });
  client.on("gone", ({ entry }) => toasts.show({ id: entry.id, state: "gone", text: `${describe(entry)}: outcome unknown.`, note: entry.detail }));
}

/**
 * What is on its way when the page opens.
 * @param {import("./client.js").Client} client
 * @param {ReturnType<typeof import("./toasts.js").createToasts>} toasts
 */
export function tellPending(client, toasts) {
  const open = client.ledger.open();
  const [entry, other] = open;
  if (!entry) return;
  const text = other ? `${open.length} commands are still on their way.` : `${describe(entry)}: still on its way.`;
  toasts.show({ id: other ? "pending" : entry.id, state: "late", text, note: "What comes of it is told here." });
  const ids = new Set(open.map(({ id }) => id));
  client.ledger.watch(() => client.ledger.open().some(({ id }) => ids.has(id)) || toasts.drop("pending"));
}

/** @param {Entry} entry @param {boolean} mine @param {boolean} leads @returns {import("./toasts.js").Toast} */
function toastOf(entry, mine, leads) {
  const { id, state, type, outcome, wasLate } = entry;
  if (state === "succeeded") {
    const to = action(entry, "redirect")?.to;
    const waited = type === REGISTER && (wasLate || !mine);
    const text = waited ? `${label(entry)} is ready now.` : (action(entry, "message")?.text ?? `${describe(entry)}: done.`);
    return { id, state, text, link: to && !leads && { to, text: "Open" } };
  }
  if (state !== "rejected") return { id, state, text: `${describe(entry)}: failed.`, note: `Quote the command’s id: ${outcome.command_id}` };
  const link = type === REGISTER ? { to: `/locations/new?from=${id}`, text: "Edit and send again" } : undefined;
  return { id, state, text: `${describe(entry)}: rejected.`, note: entry.detail, link };
}
