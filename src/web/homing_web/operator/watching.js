// @ts-check
/**
 * The one event stream of the operators' page: the whole first, then what changes; opened again where
 * it breaks off, with the whole once more. Where it stands: below operator.js, above no part.
 */
import { fullJitter, pause } from "./fetching.js";
import { createParser } from "./sse.js";

/** The server says something each second while it can look; so long without, and the stream is dead. */
const SILENCE_MS = 20_000;

/**
 * @typedef {object} State what `/operator/state` has
 * @property {string} at
 * @property {boolean} writable
 * @property {number} lease_seconds whose lease is older holds nothing
 * @property {{instance: string, seen_seconds: number}[]} reactors
 * @property {Partition[]} partitions
 * @property {{gap: number, oldest_seconds: number, partitions: number} | null} lag
 * @property {string | null} lag_unknown
 * @property {Record<"accepted" | "succeeded" | "rejected" | "failed", number | null>} rates
 * @property {Letter[]} letters
 * @property {number} letters_open
 * @property {boolean} letters_more
 * @property {Outcome[]} outcomes
 */
/** @typedef {{partition: number, holder: string | null, epoch: number, checkpoint: number, deaths: number, suspect: number | null, gap: number | null, oldest_seconds: number | null}} Partition */
/** @typedef {{id: number, command_id: string | null, type: string, key: string | null, reason: string, partition: number, sequence: number, recorded_at: string, replays: number, replay: string | null}} Letter */
/** @typedef {{command_id: string, type: string, key: string, status: string, partition: number, recorded_at: string, took_ms: number | null, error: string | null}} Outcome */
/** @typedef {(state: State, changed: Set<string>) => void} Show */

/**
 * Watch until the page is left; while it is hidden nobody looks, so that nothing is asked for.
 * @param {HTMLElement} bar says what is wrong
 * @param {Show} show
 */
export async function watch(bar, show) {
  let old = "";
  /** @type {Show} */
  const showing = (state, changed) => {
    old = " What is shown may be old.";
    show(state, changed);
  };
  /** @param {string} why */
  const say = (why) => tell(bar, why && (old ? why.replace(/\.?$/, ".") : why) + old);
  for (let attempt = 0; ; attempt++) {
    await seen();
    const stop = new AbortController();
    const hide = () => document.hidden && stop.abort();
    document.addEventListener("visibilitychange", hide, { signal: stop.signal });
    const { lived, retryMs, why } = await listen(say, showing, stop).catch((error) => {
      if (error instanceof TypeError || error instanceof DOMException || error instanceof SyntaxError) return { lived: false, retryMs: 0, why: "" };
      throw error;
    });
    const left = document.hidden;
    stop.abort();
    if (left) continue;
    if (lived) attempt = 0;
    const inMs = retryMs || fullJitter(attempt);
    if (!lived || !retryMs) say(why || "The server does not answer.");
    await pause(inMs);
  }
}

/** @returns {Promise<void>} */
function seen() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => document.addEventListener("visibilitychange", () => resolve(), { once: true }));
}

/** @param {HTMLElement} bar @param {string} text */
function tell(bar, text) {
  bar.hidden = !text;
  if (bar.textContent !== text) bar.textContent = text;
}

/**
 * @param {(why: string) => void} say
 * @param {Show} show
 * @param {AbortController} stop
 */
async function listen(say, show, stop) {
  const told = { lived: false, retryMs: 0, why: "" };
  /** @type {State | undefined} */
  let state;
  const take = createParser(
    ({ name, data }) => {
      if (name === "unavailable") say((told.why = `It cannot be looked at: ${JSON.parse(data ?? "{}").detail}`));
      if (name !== "state" && (name !== "changes" || !state)) return;
      const news = JSON.parse(data ?? "{}");
      state = merged(name === "state" ? undefined : state, news);
      Object.assign(told, { lived: true, why: "" });
      say("");
      show(state, new Set(Object.keys(news)));
    },
    (ms) => (told.retryMs = ms),
  );
  let watchdog = setTimeout(() => stop.abort(), SILENCE_MS);
  try {
    const response = await fetch("/operator/events", { headers: { Accept: "text/event-stream" }, cache: "no-store", signal: stop.signal });
    if (!response.ok || !response.body) return { ...told, why: (await response.json()).detail };
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return told;
      clearTimeout(watchdog);
      watchdog = setTimeout(() => stop.abort(), SILENCE_MS);
      take(decoder.decode(value, { stream: true }));
    }
  } finally {
    clearTimeout(watchdog);
  }
}

/** @param {State | undefined} state @param {any} news @returns {State} */
function merged(state, news) {
  if (!state) return news;
  const { partitions, ...rest } = news;
  if (!partitions) return { ...state, ...rest };
  const by = new Map(state.partitions.map((one) => [one.partition, one]));
  for (const one of partitions) by.set(one.partition, one);
  return { ...state, ...rest, partitions: [...by.values()] };
}
