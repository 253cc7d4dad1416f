// @ts-check
/**
 * What this browser has asked, and what came of it: one entry per command, kept over reloads and
 * shared by all tabs.
 *
 * Where it stands: below client.js, read by the page. One key in localStorage per entry, so that two
 * tabs that write at once do not undo each other's. An entry is written before its request leaves,
 * with the Idempotency-Key that a repeat needs, so that a reload in between neither loses nor
 * doubles the command.
 */

import { keep, recall } from "./browser.js";

const ENTRIES_MAX = 80;
const OPEN = ["sending", "retrying", "accepted", "late"];

/**
 * @typedef {object} Entry
 * @property {string} id the Idempotency-Key
 * @property {string} type
 * @property {any} payload
 * @property {number} at milliseconds since 1970
 * @property {string} state sending, retrying, accepted, late; succeeded, rejected, failed, refused, gone
 * @property {"page" | "response"} [wait]
 * @property {number} [timeout] seconds
 * @property {number} [delay] seconds, simulated
 * @property {string} [label] what the page calls the thing it is about
 * @property {string} [owner]
 * @property {string} [commandId]
 * @property {string} [key] what the command is about
 * @property {number} [sequence]
 * @property {number} [acceptedAt]
 * @property {number} [tookMs]
 * @property {boolean} [wasLate]
 * @property {string} [detail]
 * @property {any} [outcome]
 */

/** @param {Entry} entry */
export const isOpen = (entry) => OPEN.includes(entry.state);

/** Whether it is what this page has written: other versions and other hands write there, too. @param {any} entry @param {string} id */
function isSound(entry, id) {
  if (entry?.id !== id || typeof entry.type !== "string" || !(Math.abs(entry.at) < 8e15)) return false;
  return isOpen(entry) ? entry.payload : !entry.outcome || (entry.outcome.actions?.find && entry.outcome.timeline);
}

/**
 * @param {string} name
 * @param {Storage | undefined} storage
 */
export function createLedger(name, storage) {
  /** @type {Map<string, Entry>} */
  const entries = new Map();
  /** @type {Set<(entry?: Entry) => void>} */
  const watchers = new Set();
  const prefix = `${name}/`;

  for (const key of Object.keys(storage ?? {})) if (key.startsWith(prefix)) load(key);
  addEventListener("storage", ({ key, storageArea }) => {
    if (storageArea !== storage) return;
    if (key === null) entries.clear();
    else if (!key.startsWith(prefix)) return;
    else if (!load(key)) entries.delete(key.slice(prefix.length));
    changed(key === null ? undefined : entries.get(key.slice(prefix.length)));
  });

  /** @param {string} key */
  function load(key) {
    const entry = recall(storage, key);
    const id = key.slice(prefix.length);
    if (isSound(entry, id)) entries.set(id, entry);
    else storage?.removeItem(key); // who reads it would stumble at every visit
    return isSound(entry, id);
  }

  /** @param {Entry} [entry] */
  const changed = (entry) => watchers.forEach((watcher) => watcher(entry));
  const list = () => [...entries.values()].sort((a, b) => b.at - a.at);

  /** @param {Entry[]} gone */
  function drop(gone) {
    for (const { id } of gone) {
      entries.delete(id);
      storage?.removeItem(prefix + id);
    }
  }

  return {
    /** Newest first. */
    list,
    open: () => list().filter(isOpen),
    /** @param {string} id */
    find: (id) => entries.get(id),
    /** @param {string} commandId */
    byCommand: (commandId) => list().find((entry) => entry.commandId === commandId),
    /**
     * Change an entry, or make one. What has ended stays ended, whatever a slower tab says.
     * @param {string} id
     * @param {Partial<Entry>} change
     * @returns {Entry}
     */
    note(id, change) {
      load(prefix + id);
      const former = entries.get(id);
      const entry = /** @type {Entry} */ ({ ...former, ...change, id });
      if (former && !isOpen(former) && isOpen(entry)) return former;
      entries.set(id, entry);
      // Room for what is open is worth more than what is over.
      const most = keep(storage, prefix + id, entry) ? ENTRIES_MAX : ENTRIES_MAX / 8;
      drop(list().slice(most).filter((one) => !isOpen(one)));
      changed(entry);
      return entry;
    },
    /** @param {string} id */
    forget: (id) => entries.has(id) && [drop([/** @type {Entry} */ (entries.get(id))]), changed()],
    /** Forget what is finished. */
    clear() {
      drop(list().filter((entry) => !isOpen(entry)));
      changed();
    },
    /** @param {(entry?: Entry) => void} watcher @param {AbortSignal} [until] */
    watch(watcher, until) {
      watchers.add(watcher);
      until?.addEventListener("abort", () => watchers.delete(watcher));
    },
  };
}
