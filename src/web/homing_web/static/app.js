// @ts-check
/** The page's composition: builds the client and every part, hands them to each other, starts. */
import { showActivity } from "./activity-panel.js";
import { createClient } from "./client.js";
import { showConnection } from "./connection.js";
import { listenToKeys } from "./keys.js";
import { createRouter } from "./router.js";
import { chooseTheme } from "./theme-choice.js";
import { tellOutcomes, tellPending } from "./telling.js";
import { tick } from "./times.js";
import { createToasts } from "./toasts.js";
import { missingView } from "./view-missing.js";

/** @param {string} id @returns {any} */
const part = (id) => document.getElementById(id);

const client = createClient();
const toasts = createToasts(part("toasts"), part("voice"));
/** @type {Set<string>} */
const atForm = new Set();
const parts = { client, atForm, go: (/** @type {string} */ to) => router.go(to) };
const views = {
  list: () => import("./view-list.js").then(({ createListView }) => createListView(client)),
  create: () => import("./view-create.js").then(({ createCreateView }) => createCreateView(parts)),
  commands: () => import("./view-commands.js").then(({ createCommandsView }) => createCommandsView(client)),
  detail: () => import("./view-detail.js").then(({ createDetailView }) => createDetailView(parts)),
};
const forms = () => import("./action-form.js");
const router = createRouter(part("main"), [
  [/^\/(?:locations\/?)?$/, views.list],
  [/^\/locations\/new$/, views.create],
  [/^\/locations\/([^/]+)$/, views.detail],
  [/^\/commands(?:\/([^/]*))?$/, views.commands],
  [/.*/, async () => missingView],
]);
// Who begins to use the page gets the rest of it, so that it is there without a net, too.
for (const used of ["pointerdown", "keydown"]) {
  addEventListener(used, () => Promise.allSettled([...Object.values(views), forms].map((load) => load())), { once: true });
}

const activity = showActivity(part("activity"), part("activity-handle"), client);
showConnection(part("connection"), client, toasts.say);
tellOutcomes(client, toasts, atForm);
tellPending(client, toasts);
chooseTheme(part("theme"));
listenToKeys(router.go, [() => activity.isUnfolded() && [activity.fold()], toasts.clear]);
tick();
void router.start();
client.start();
