// @ts-check
/** The page's composition: builds the client and every part, hands them to each other, starts. */
import { createActivity } from "./activity.js";
import { showActivity } from "./activity-panel.js";
import { createClient } from "./client.js";
import { showConnection } from "./connection.js";
import { label } from "./locations.js";
import { createRouter } from "./router.js";
import { createToasts } from "./toasts.js";
import { createCreateView } from "./view-create.js";
import { createDetailView, missingView } from "./view-detail.js";
import { createListView } from "./view-list.js";

/** @param {string} id @returns {any} */
const part = (id) => document.getElementById(id);

const client = createClient({ base: "/api" });
const activity = createActivity(client);
const toasts = createToasts(part("toasts"), part("voice"));
const list = createListView(client, activity);
const router = createRouter(part("main"), [
  [/^\/(?:locations\/?)?$/, list],
  [/^\/locations\/new$/, createCreateView(client, activity, toasts, (to) => router.go(to))],
  [/^\/locations\/([^/]+)$/, createDetailView(client)],
  [/.*/, missingView],
]);

showActivity(part("activity"), part("activity-handle"), activity);
showConnection(part("connection"), client);
tell();
chooseTheme(part("theme"));
keys();
router.start();
client.resume();

/** Says each outcome once, as a toast and to screen readers. */
function tell() {
  client.on("pending", ({ submission }) => {
    const sent = submission.commandId;
    toasts.show({
      id: submission.id,
      state: sent ? "late" : "retrying",
      text: sent ? "It will be available shortly." : "Not sent yet: the server does not answer.",
      note: sent
        ? `You can go on, we will tell you here about ${label(submission.payload)}.`
        : `${label(submission.payload)} is kept in this browser and sent again.`,
    });
  });
  client.on("outcome", ({ submission, outcome }) => toasts.show(toastOf(submission, outcome)));
  client.on("refused", ({ submission, problem }) => {
    if (submission.resumed) toasts.show({ id: submission.id, state: "refused", text: `${label(submission.payload)} was not accepted.`, note: problem.message });
  });
}

/** @param {any} submission @param {any} outcome */
function toastOf(submission, outcome) {
  /** @param {string} type */
  const action = (type) => outcome.actions.find((/** @type {any} */ one) => one.type === type);
  const name = label(submission.payload);
  const id = submission.id;
  if (outcome.status === "succeeded") {
    const to = action("redirect")?.to;
    const waited = submission.late || submission.resumed;
    const text = waited ? `${name} is ready now.` : (action("message")?.text ?? `${name} is done.`);
    return { id, state: "succeeded", text, link: to && { to, text: "Open" } };
  }
  const note = outcome.error?.detail || outcome.error?.title;
  if (outcome.status === "rejected") {
    const link = { to: `/locations/new?from=${id}`, text: "Edit and send again" };
    return { id, state: "rejected", text: `${name} was rejected.`, note, link };
  }
  return { id, state: "failed", text: `${name} failed.`, note: `Quote the command's id: ${outcome.command_id}` };
}

/** @param {HTMLSelectElement} select */
function chooseTheme(select) {
  const root = document.documentElement;
  select.value = root.dataset.theme ?? "system";
  select.addEventListener("change", () => {
    root.dataset.theme = select.value;
    try {
      localStorage.setItem("homing.theme", select.value);
    } catch {
      // Chosen for this page only.
    }
  });
}

function keys() {
  addEventListener("keydown", (event) => {
    const typing = /** @type {Element} */ (event.target).closest?.("input, select, textarea");
    if (typing || event.metaKey || event.ctrlKey || event.altKey || event.key !== "n") return;
    event.preventDefault();
    router.go("/locations/new");
  });
}
