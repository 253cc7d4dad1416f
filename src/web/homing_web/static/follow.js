// @ts-check
/**
 * Learns the outcomes of this browser's commands: one event stream for all its tabs.
 *
 * Where it stands: below client.js, which sees only the callbacks; puts together election.js (who
 * holds the stream) and stream.js (the stream). The tab that leads tells the others through a
 * BroadcastChannel what it hears and how its connection is.
 */
import { keep, recall } from "./browser.js";
import { stand } from "./election.js";
import { runStream } from "./stream.js";

const TOLD_MAX = 300;

/** @typedef {import("./stream.js").Connection} Connection */

/**
 * @typedef {object} Ears
 * @property {(outcome: any) => void} onOutcome once per command, in every tab
 * @property {() => void} onReset what is shown may be old, what is pending may be done
 * @property {(count: number, again: boolean) => void} onCaughtUp so many outcomes came while nobody
 *   listened; `again` after a loss
 * @property {(connection: Connection) => void} onConnection
 * @property {() => void} onLead this tab has the stream now
 */

/**
 * @param {{base: string, name: string, storage: Storage | undefined, session: () => Promise<{owner: string}>,
 *   renew: () => void, waiting: () => string[], ears: Ears}} needs
 */
export function createFollower({ base, name, storage, session, renew, waiting, ears }) {
  const channel = globalThis.BroadcastChannel && new BroadcastChannel(name);
  const memory = createMemory(`${name}.stream`, storage);
  /** @type {Connection} */
  let connection = { open: true, retryAt: 0 };
  let leading = false;

  /** @param {object} message */
  const share = (message) => channel?.postMessage(message);

  /** @param {any} outcome @param {boolean} shared whether the other tabs know it already */
  function hear(outcome, shared) {
    if (!memory.isNew(outcome.command_id)) return false;
    if (!shared) share({ kind: "outcome", outcome });
    ears.onOutcome(outcome);
    return true;
  }

  /** @param {Connection} now */
  function connected(now) {
    connection = now;
    ears.onConnection(now);
  }

  channel?.addEventListener("message", ({ data }) => {
    if (data.kind === "hello" && leading) share({ kind: "connection", connection });
    if (data.kind === "outcome") hear(data.outcome, true);
    if (data.kind === "connection") connected(data.connection);
    if (data.kind === "caught-up") ears.onCaughtUp(data.count, data.again);
    if (data.kind === "reset") ears.onReset();
  });

  /** @param {AbortSignal} signal */
  function lead(signal) {
    leading = true;
    signal.addEventListener("abort", () => (leading = false));
    ears.onLead();
    const needs = {
      base,
      session,
      renew,
      memory,
      waiting,
      onOutcome: (/** @type {any} */ outcome) => hear(outcome, false),
      onReset: () => [share({ kind: "reset" }), ears.onReset()],
      onCaughtUp: (/** @type {number} */ count, /** @type {boolean} */ again) => [
        share({ kind: "caught-up", count, again }),
        ears.onCaughtUp(count, again),
      ],
      onConnection: (/** @type {Connection} */ now) => [share({ kind: "connection", connection: now }), connected(now)],
    };
    return runStream(needs, signal);
  }

  return {
    start() {
      stand({ name, channel, lead, isWell: () => connection.open });
      share({ kind: "hello" });
    },
    /** What came by another way than the stream. @param {any} outcome @param {boolean} [shared] */
    tell: (outcome, shared = false) => hear(outcome, shared),
  };
}

/**
 * How far this browser has been told: the cursor, and which commands, over reloads and for all tabs.
 *
 * The cursor of this tab is its own once it has one: where each tab has its own stream, another
 * tab's cursor may be ahead of what this one has seen.
 * @param {string} key
 * @param {Storage | undefined} storage
 */
function createMemory(key, storage) {
  const found = recall(storage, key);
  // Else as in a first visit: the cursor has to pass as a header.
  const sound = /^[!-~]*$/.test(found?.cursor) && Array.isArray(found?.told);
  /** @type {{owner: string, cursor: string, told: string[]}} */
  const kept = sound ? found : { owner: "", cursor: "", told: [] };
  const told = new Set(kept.told);

  return {
    /** @param {string} id */
    isNew(id) {
      if (told.has(id)) return false;
      told.add(id);
      if (told.size > TOLD_MAX) told.delete(/** @type {string} */ (told.values().next().value));
      return true;
    },
    /** @param {string} owner */
    cursor: (owner) => (kept.owner === owner ? kept.cursor : ""),
    /** @param {string} owner @param {string} cursor */
    keep(owner, cursor) {
      Object.assign(kept, { owner, cursor, told: [...told] });
      // If it is forbidden, a reload asks for what is pending by its id instead.
      keep(storage, key, kept);
    },
  };
}
