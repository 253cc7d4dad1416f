// @ts-check
/**
 * The one event stream of a browser: opened, read, watched, opened again where it broke off.
 *
 * Where it stands: below follow.js, which decides which tab runs it. It reads a `fetch` and not an
 * EventSource, because that hides what is needed here: the status (a 401 wants a new session), the
 * comments (a sign of life every 15 s), the id without data that ends the history, and because it
 * reconnects by itself, without jitter. The cursor also stays out of the URL, and so out of logs.
 */
import { Problem, fullJitter, pause } from "./fetching.js";
import { createParser } from "./sse.js";

/** The server writes at least every 15 s; two such signs missing, and the stream is dead. */
const SILENCE_MS = 40_000;
const WAITING_MAX = 50;

/** @typedef {{open: boolean, retryAt: number}} Connection */

/**
 * @typedef {object} Needs
 * @property {string} base
 * @property {() => Promise<{owner: string}>} session
 * @property {() => void} renew forgets the session: the server does not know it
 * @property {{cursor: (owner: string) => string, keep: (owner: string, cursor: string) => void}} memory
 * @property {() => string[]} waiting command ids whose outcomes may have come before
 * @property {(outcome: any) => boolean} onOutcome whether it was new
 * @property {() => void} onReset the cursor is not known any more
 * @property {(count: number, again: boolean) => void} onCaughtUp all history is told; so many outcomes
 *   were new, and it is not the first time
 * @property {(connection: Connection) => void} onConnection
 */

/**
 * Run until `signal`.
 * @param {Needs} needs
 * @param {AbortSignal} signal
 */
export async function runStream(needs, signal) {
  let again = false;
  for (let attempt = 0; !signal.aborted; attempt++) {
    const { lived, orderly, retryMs } = await listen(needs, again, signal);
    if (signal.aborted) return;
    if (lived) attempt = 0;
    again = true;
    // The server ends streams on purpose and says when to come again: that is no trouble to show.
    const inMs = orderly ? retryMs : retryMs + fullJitter(attempt);
    if (!orderly) needs.onConnection({ open: false, retryAt: Date.now() + inMs });
    await pause(inMs, signal);
  }
}

/**
 * One stream from its opening to its end. It has lived if it told all history.
 * @param {Needs} needs
 * @param {boolean} again
 * @param {AbortSignal} signal
 */
async function listen(needs, again, signal) {
  const ended = { lived: false, orderly: false, retryMs: 0 };
  const stop = new AbortController();
  const end = () => stop.abort();
  signal.addEventListener("abort", end);
  addEventListener("online", end, { signal: stop.signal }); // the old connection went another way
  let watchdog = setTimeout(end, SILENCE_MS);
  try {
    const { owner } = await needs.session();
    const cursor = needs.memory.cursor(owner);
    const response = await open(needs, cursor, stop.signal);
    if (response.status === 401) needs.renew();
    if (!response.ok || !response.body) return ended;
    const told = tell(needs, owner, again, ended);
    const take = createParser(told, (ms) => {
      ended.retryMs = ms;
      ended.orderly = ended.lived;
    });
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { value, done } = await reader.read();
      if (done || signal.aborted) return ended;
      clearTimeout(watchdog);
      watchdog = setTimeout(end, SILENCE_MS);
      take(decoder.decode(value, { stream: true }));
    }
  } catch (error) {
    if (!(error instanceof Problem) && !isLoss(error)) throw error;
    return ended;
  } finally {
    clearTimeout(watchdog);
    signal.removeEventListener("abort", end);
    stop.abort();
  }
}

/** @param {Needs} needs @param {string} cursor @param {AbortSignal} signal */
function open({ base, waiting }, cursor, signal) {
  const ids = waiting().slice(0, WAITING_MAX).join(",");
  /** @type {Record<string, string>} */
  const headers = { Accept: "text/event-stream" };
  if (cursor) headers["Last-Event-ID"] = cursor;
  const url = `${base}/outcomes/stream?waiting=${ids}`;
  return fetch(url, { headers, signal, cache: "no-store", credentials: "same-origin" });
}

/**
 * @param {Needs} needs
 * @param {string} owner
 * @param {boolean} again
 * @param {{lived: boolean}} ended
 * @returns {(block: import("./sse.js").Block) => void}
 */
function tell(needs, owner, again, ended) {
  let news = 0;
  return ({ name, data, id }) => {
    if (name === "outcome" && data && needs.onOutcome(JSON.parse(data))) news++;
    if (name === "reset") needs.onReset();
    // Kept after the event was dealt with: what a crash in between leaves undone is told again.
    if (id) needs.memory.keep(owner, id);
    if (data !== null || ended.lived) return;
    ended.lived = true;
    needs.onConnection({ open: true, retryAt: 0 });
    needs.onCaughtUp(news, again);
  };
}

/** A connection that broke or was given up: `fetch` has no finer words. @param {unknown} error */
function isLoss(error) {
  return error instanceof TypeError || (error instanceof DOMException && error.name !== "DataError");
}
