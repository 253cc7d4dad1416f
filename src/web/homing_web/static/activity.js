// @ts-check
/**
 * The log of what was asked and what came of it, as data: kept over a reload, shared between tabs.
 *
 * Where it stands: listens to client.js, is shown by activity-panel.js and read by the views.
 */

const NAME = "homing.activity";
const ENTRIES_MAX = 60;
const OPEN = ["sending", "retrying", "accepted", "late"];

/**
 * @typedef {object} Entry
 * @property {string} id the submission's
 * @property {string} type
 * @property {any} payload
 * @property {number} at
 * @property {string} state sending, retrying, accepted, late, succeeded, rejected, failed, refused, gone
 * @property {number} [tookMs]
 * @property {boolean} [wasLate]
 * @property {string} [commandId]
 * @property {string} [detail]
 * @property {any} [outcome]
 */

/** @param {Entry} entry */
export const isOpen = (entry) => OPEN.includes(entry.state);

/** @param {ReturnType<typeof import("./client.js").createClient>} client */
export function createActivity(client) {
  /** @type {Entry[]} */
  let entries = read();
  /** @type {Set<() => void>} */
  const watchers = new Set();
  const changed = () => watchers.forEach((watcher) => watcher());

  /** @param {any} submission @param {Partial<Entry>} change */
  function note(submission, change) {
    entries = read(entries);
    const known = entries.find((one) => one.id === submission.id);
    const { id, type, payload, submittedAt: at, commandId } = submission;
    const entry = { ...known, id, type, payload, at, commandId, state: "sending", ...change };
    entries = [entry, ...entries.filter((one) => one.id !== id)]
      .sort((a, b) => b.at - a.at)
      .slice(0, ENTRIES_MAX);
    write(entries);
    changed();
  }

  client.on("submitted", ({ submission }) => note(submission, { state: "sending" }));
  client.on("retrying", ({ submission, problem }) => {
    if (!submission.commandId) note(submission, { state: "retrying", detail: problem.message });
  });
  client.on("accepted", ({ submission }) => {
    note(submission, { state: submission.late ? "late" : "accepted", detail: "" });
  });
  client.on("pending", ({ submission }) => {
    const state = submission.commandId ? "late" : "retrying";
    note(submission, { state, wasLate: true });
  });
  client.on("outcome", ({ submission, outcome }) => {
    const tookMs = Date.now() - submission.submittedAt;
    const detail = outcome.error?.detail || outcome.error?.title || "";
    note(submission, { state: outcome.status, tookMs, detail, outcome });
  });
  client.on("refused", ({ submission, problem }) => {
    note(submission, { state: "refused", detail: problem.message });
  });
  client.on("gone", ({ submission, reason }) => {
    const session = "This browser has a new session; the outcome belongs to the former one.";
    const detail = reason === "session" ? session : "The outcome is no longer kept.";
    note(submission, { state: "gone", detail });
  });
  addEventListener("storage", (event) => {
    if (event.key !== NAME) return;
    entries = read();
    changed();
  });

  return {
    list: () => entries,
    /** @param {string} id */
    find: (id) => entries.find((one) => one.id === id),
    /** Forget what is finished. */
    clear() {
      entries = read(entries).filter(isOpen);
      write(entries);
      changed();
    },
    /** @param {() => void} watcher @param {AbortSignal} [until] */
    watch(watcher, until) {
      watchers.add(watcher);
      until?.addEventListener("abort", () => watchers.delete(watcher));
    },
  };
}

/** @param {Entry[]} [otherwise] @returns {Entry[]} */
function read(otherwise = []) {
  try {
    return JSON.parse(localStorage.getItem(NAME) ?? "null") ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** @param {Entry[]} entries */
function write(entries) {
  try {
    localStorage.setItem(NAME, JSON.stringify(entries));
  } catch {
    // Full or forbidden: it is still on the page, only not after a reload.
  }
}
