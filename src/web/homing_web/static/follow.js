// @ts-check
/**
 * Learns the outcomes of accepted commands: one event stream per command, few at a time.
 *
 * Where it stands: below client.js, which sees only `follow`, `drop` and the callbacks; a single
 * stream for all commands of a browser fits behind the same four names. A browser opens six
 * connections to one HTTP/1.1 host, all tabs together, so the commands past `STREAMS_MAX` ask for
 * their status instead and take over a stream when one is free.
 */
import { Problem, ask, fullJitter, pause } from "./fetching.js";

const STREAMS_MAX = 2;
/** The server sends a `ping` every 30 s; a stream that misses two is dead, whatever TCP says. */
const SILENCE_MS = 75_000;
const POLL_MS = 2000;
/** A stream that lived this long was a good one: the next back-off starts anew. */
const GOOD_MS = 10_000;

/** @typedef {{commandId: string, sequence?: number, timeout: number}} Target */

/**
 * @typedef {object} Ears
 * @property {(outcome: any) => void} onOutcome
 * @property {(commandId: string, waitedMs: number) => void} onLate
 * @property {(commandId: string) => void} onGone the server no longer keeps the outcome
 * @property {(state: {open: boolean, inMs: number}) => void} onConnection
 */

/**
 * @param {string} base
 * @param {Ears} ears
 */
export function createFollower(base, ears) {
  /** @type {Map<string, AbortController>} */
  const followed = new Map();
  let streams = 0;

  /** @param {Target} target */
  async function run(target) {
    const stop = new AbortController();
    const since = Date.now();
    followed.set(target.commandId, stop);
    for (let attempt = 0; !stop.signal.aborted; attempt++) {
      const left = Math.max(0, target.timeout - (Date.now() - since) / 1000);
      if (streams < STREAMS_MAX) {
        streams++;
        const good = await listen(target.commandId, left, stop.signal).finally(() => streams--);
        if (good) attempt = 0;
      }
      if (stop.signal.aborted || (await askStatus(target))) return;
      const inMs = streams < STREAMS_MAX ? fullJitter(attempt) : POLL_MS * (0.5 + Math.random());
      await pause(inMs);
    }
  }

  /**
   * One stream from its opening to its end; resolves to whether it was a good one.
   * @param {string} commandId
   * @param {number} timeout
   * @param {AbortSignal} signal
   * @returns {Promise<boolean>}
   */
  function listen(commandId, timeout, signal) {
    return new Promise((resolve) => {
      const url = `${base}/commands/${encodeURIComponent(commandId)}/events?timeout=${timeout.toFixed(1)}`;
      const source = new EventSource(url);
      const opened = Date.now();
      let heard = false;
      /** @type {ReturnType<typeof setTimeout>} */
      let watchdog;
      const end = () => {
        clearTimeout(watchdog);
        source.close();
        resolve(heard || Date.now() - opened > GOOD_MS);
      };
      const alive = () => {
        clearTimeout(watchdog);
        watchdog = setTimeout(end, SILENCE_MS);
      };
      /** @param {string} name @param {(data: any) => void} handle */
      const on = (name, handle) =>
        source.addEventListener(name, (event) => {
          heard = true;
          alive();
          handle(JSON.parse(event.data || "null"));
        });
      on("outcome", (outcome) => ears.onOutcome(outcome));
      on("pending", (pending) => ears.onLate(pending.command_id, pending.waited_ms));
      on("ping", () => {});
      source.onopen = () => {
        alive();
        ears.onConnection({ open: true, inMs: 0 });
      };
      // The browser would reconnect by itself, at once and in step with all others: we do it.
      source.onerror = end;
      signal.addEventListener("abort", end);
      alive();
    });
  }

  /**
   * The way that needs no stream, also right after one was lost. True if there is no more to learn.
   * @param {Target} target
   */
  async function askStatus({ commandId, sequence }) {
    const seq = sequence === undefined ? "" : `?seq=${sequence}`;
    try {
      const status = await ask(`${base}/commands/${encodeURIComponent(commandId)}${seq}`);
      ears.onConnection({ open: true, inMs: 0 });
      if (status.status === "pending") return false;
      ears.onOutcome(status);
      return true;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.status === 410) ears.onGone(commandId);
      else if (problem.transient) ears.onConnection({ open: false, inMs: problem.retryAfterMs });
      return problem.status === 410;
    }
  }

  return {
    /** @param {Target} target */
    follow(target) {
      if (!followed.has(target.commandId)) void run(target);
    },
    /** @param {string} commandId */
    drop(commandId) {
      followed.get(commandId)?.abort();
      followed.delete(commandId);
    },
  };
}
