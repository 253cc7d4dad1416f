// @ts-check
/**
 * The submissions whose outcome is not known yet, kept in localStorage so that they survive a reload.
 *
 * Where it stands: below client.js. A submission is written before its request leaves, with the
 * Idempotency-Key that a repeat needs, so that a reload in between neither loses nor doubles it.
 */

/**
 * @typedef {object} Submission
 * @property {string} id the Idempotency-Key
 * @property {string} type
 * @property {any} payload
 * @property {"page" | "response"} wait
 * @property {number} timeout seconds
 * @property {number} delay seconds, simulated
 * @property {number} submittedAt milliseconds since 1970
 * @property {string} [owner]
 * @property {string} [commandId]
 * @property {number} [sequence]
 * @property {boolean} [late]
 * @property {boolean} [resumed]
 */

/**
 * @param {string} name
 * @param {Storage | undefined} storage
 */
export function createPending(name, storage) {
  /** @type {Submission[]} */
  let memory = [];

  /** @returns {Submission[]} */
  function list() {
    try {
      return JSON.parse(storage?.getItem(name) ?? "null") ?? memory;
    } catch {
      return memory;
    }
  }

  /** @param {Submission[]} entries */
  function save(entries) {
    memory = entries;
    try {
      storage?.setItem(name, JSON.stringify(entries));
    } catch {
      // Full or forbidden: this page still knows, a reload will not.
    }
  }

  return {
    list,
    /** @param {Submission} entry */
    put: (entry) => save([...list().filter((other) => other.id !== entry.id), entry]),
    /** @param {string} id */
    remove: (id) => save(list().filter((other) => other.id !== id)),
  };
}
