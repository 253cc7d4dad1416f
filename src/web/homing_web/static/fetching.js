// @ts-check
/**
 * One HTTP request, and what to do when it does not go through.
 *
 * Where it stands: below client.js and stream.js; knows problem+json, back-off and nothing else.
 */

/** @typedef {{field: string, detail: string}} FieldError */

/** An answer that is not a success, or no answer at all (status 0). */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {Record<string, any>} body
   * @param {number} [retryAfterMs]
   */
  constructor(status, body, retryAfterMs = 0) {
    super(body.detail || body.title || `HTTP ${status}`);
    this.status = status;
    this.body = body;
    this.retryAfterMs = retryAfterMs;
    /** @type {FieldError[]} */
    this.errors = Array.isArray(body.errors) ? body.errors : [];
  }

  /** Whether the same request may go through later. */
  get transient() {
    return [0, 408, 429, 500, 502, 503, 504].includes(this.status);
  }
}

/** A server that hangs breaks no connection. What may take longer brings a signal of its own. */
const LIMIT_MS = 15_000;
const NO_ANSWER = { title: "No answer", detail: "The server does not answer." };

/**
 * Ask once; JSON comes back, or a Problem is thrown.
 * @param {string} url
 * @param {RequestInit} [options]
 * @returns {Promise<any>}
 */
export async function ask(url, options) {
  let response, text;
  try {
    response = await fetch(url, { credentials: "same-origin", signal: AbortSignal.timeout(LIMIT_MS), ...options });
    text = await response.text();
  } catch {
    throw new Problem(0, NO_ANSWER);
  }
  const body = parse(text);
  if (response.ok && body !== undefined) return body;
  const seconds = Number(response.headers.get("Retry-After")) || 0;
  throw new Problem(response.status, body ?? { title: response.statusText }, seconds * 1000);
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Full jitter: anywhere between nothing and a bound that doubles, so that clients spread.
 * @param {number} attempt
 */
export function fullJitter(attempt) {
  return Math.random() * Math.min(30_000, 1000 * 2 ** attempt);
}

/**
 * Wait, but not longer than until the browser is online again, or seen again, or `signal`.
 * @param {number} ms
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    const over = new AbortController();
    const done = () => {
      clearTimeout(timer);
      over.abort();
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done, { signal: over.signal });
    document.addEventListener("visibilitychange", done, { signal: over.signal });
    signal?.addEventListener("abort", done, { signal: over.signal });
  });
}

/**
 * Ask until an answer comes. A bare 500 is tried three times: it may be the request's own fault.
 * @template T
 * @param {() => Promise<T>} attempt
 * @param {(retry: {retryAt: number, problem: Problem}) => void} onRetry
 * @returns {Promise<T>}
 */
export async function persist(attempt, onRetry) {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt();
    } catch (problem) {
      if (!(problem instanceof Problem) || !problem.transient) throw problem;
      if (problem.status === 500 && tries >= 2) throw problem;
      const inMs = problem.retryAfterMs + fullJitter(tries);
      onRetry({ retryAt: Date.now() + inMs, problem });
      await pause(inMs);
    }
  }
}
