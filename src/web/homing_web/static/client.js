// @ts-check
/**
 * The browser client of Homing: sends a command and brings its outcome home.
 *
 * Where it stands: above fetching.js (one request), pending.js (what survives a reload) and
 * follow.js (how outcomes are learnt); below any page. It knows nothing of any domain.
 *
 *     const client = createClient({ base: "/api" });
 *     client.on("outcome", ({ outcome, submission }) => …);
 *     client.resume();
 *     const answer = await client.submit("locations.register", { name: "Graz", … }, { timeout: 5 });
 *     if (answer.status === "pending") …      // later the "outcome" event
 */
import { Problem, ask, persist } from "./fetching.js";
import { createFollower } from "./follow.js";
import { createPending } from "./pending.js";

export { Problem };

/** @typedef {import("./pending.js").Submission} Submission */
/** @typedef {{wait?: "page" | "response", timeout?: number, delay?: number}} SubmitOptions */
/** @typedef {{status: string, command_id: string | null, [member: string]: any}} Answer */

/**
 * Events, each with one object:
 * - `submitted`, `accepted` {submission}
 * - `retrying` {submission, inMs, problem}: not accepted yet, the same command is sent again
 * - `pending` {submission, waitedMs}: the time is up, the outcome will follow
 * - `outcome` {submission, outcome}: once per command
 * - `refused` {submission, problem}: it was never accepted
 * - `gone` {submission, reason}: accepted, but its outcome can no longer be told
 * - `connection` {open, inMs}
 *
 * @param {{base?: string, storage?: Storage, name?: string}} [options]
 */
export function createClient({ base = "/api", storage = safeStorage(), name = "homing.pending" } = {}) {
  const pending = createPending(name, storage);
  /** @type {Map<string, Set<(event: any) => void>>} */
  const listeners = new Map();
  /** @type {Map<string, {submission: Submission, resolve: (answer: Answer) => void}>} */
  const carried = new Map();
  /** @type {Promise<{owner: string, demo: boolean}> | undefined} */
  let opened;

  const follower = createFollower(base, {
    onOutcome: deliver,
    onLate: (commandId, waitedMs) => late(byCommand(commandId), waitedMs),
    onGone: (commandId) => gone(byCommand(commandId), "expired"),
    onConnection: (state) => emit("connection", state),
  });

  /** @param {string} type @param {object} event */
  function emit(type, event) {
    for (const listener of listeners.get(type) ?? []) listener(event);
  }

  /** @param {string} commandId */
  function byCommand(commandId) {
    return [...carried.values()].find((one) => one.submission.commandId === commandId)?.submission;
  }

  /** The anonymous session; before anything else, or two requests would make two of them. */
  function session() {
    opened ??= ask(`${base}/session`).catch((problem) => {
      opened = undefined;
      throw problem;
    });
    return opened;
  }

  /**
   * Send a command. Resolves to its outcome, or to `{status: "pending"}` when the time is up.
   * @param {string} type
   * @param {any} payload
   * @param {SubmitOptions} [options]
   * @returns {Promise<Answer>} rejects with a Problem if the command was refused
   */
  function submit(type, payload, { wait = "page", timeout = 10, delay = 0 } = {}) {
    /** @type {Submission} */
    const submission = { id: uuid(), type, payload, wait, timeout, delay, submittedAt: Date.now() };
    pending.put(submission);
    emit("submitted", { submission });
    return carry(submission);
  }

  /** @param {Submission} submission @returns {Promise<Answer>} */
  function carry(submission) {
    return new Promise((resolve, reject) => {
      carried.set(submission.id, { submission, resolve });
      // The server says when the time is up; this one is for when the server cannot be heard.
      const ms = submission.timeout * 1000 + 1500;
      setTimeout(() => late(carried.get(submission.id)?.submission, ms), ms);
      send(submission).catch((problem) => {
        forget(submission);
        if (problem instanceof Problem) emit("refused", { submission, problem });
        reject(problem);
      });
    });
  }

  /** @param {Submission} submission */
  async function send(submission) {
    const onRetry = (/** @type {{inMs: number, problem: Problem}} */ { inMs, problem }) => {
      emit("retrying", { submission, inMs, problem });
      emit("connection", { open: false, inMs });
    };
    const { owner } = await persist(session, onRetry);
    if (submission.owner && submission.owner !== owner) return gone(submission, "session");
    submission.owner = owner;
    if (!submission.commandId) {
      const answer = await persist(() => post(submission), onRetry);
      emit("connection", { open: true, inMs: 0 });
      submission.commandId = answer.command_id;
      submission.sequence = answer.position?.sequence;
      pending.put(submission);
      emit("accepted", { submission });
      if (answer.status !== "pending") return deliver(answer);
      if (submission.wait === "response") late(submission, Date.now() - submission.submittedAt);
    }
    const commandId = /** @type {string} */ (submission.commandId);
    const left = submission.timeout - (Date.now() - submission.submittedAt) / 1000;
    follower.follow({ commandId, sequence: submission.sequence, timeout: Math.max(0, left) });
  }

  /** @param {Submission} submission @returns {Promise<any>} an outcome or a pending answer */
  async function post({ id, type, payload, wait, timeout, delay, resumed }) {
    /** @type {Record<string, string>} */
    const headers = { "Content-Type": "application/json", "Idempotency-Key": id };
    if (wait === "response" && !resumed) headers.Prefer = `wait=${timeout}`;
    if (delay > 0) headers["Homing-Demo-Delay"] = String(delay);
    const options = { method: "POST", headers, body: JSON.stringify(payload) };
    try {
      return await ask(`${base}/commands/${encodeURIComponent(type)}`, options);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.body.outcome) return problem.body.outcome;
      if (problem.status === 401) opened = undefined;
      throw problem;
    }
  }

  /** @param {any} outcome */
  function deliver(outcome) {
    const submission = byCommand(outcome.command_id);
    if (!submission) return; // delivered before, or another page's
    const resolve = carried.get(submission.id)?.resolve;
    forget(submission);
    emit("outcome", { submission, outcome });
    resolve?.(outcome);
  }

  /** @param {Submission | undefined} submission @param {number} waitedMs */
  function late(submission, waitedMs) {
    if (!submission || submission.late || !carried.has(submission.id)) return;
    submission.late = true;
    pending.put(submission);
    emit("pending", { submission, waitedMs });
    const command_id = submission.commandId ?? null;
    carried.get(submission.id)?.resolve({ status: "pending", command_id, waited_ms: waitedMs });
  }

  /** @param {Submission | undefined} submission @param {"expired" | "session"} reason */
  function gone(submission, reason) {
    if (!submission) return;
    forget(submission);
    emit("gone", { submission, reason });
  }

  /** @param {Submission} submission */
  function forget(submission) {
    carried.delete(submission.id);
    pending.remove(submission.id);
    if (submission.commandId) follower.drop(submission.commandId);
  }

  return {
    submit,
    session,
    /** Take up what an earlier visit left open; its outcomes arrive as events. */
    resume() {
      const left = pending.list().filter((one) => !carried.has(one.id));
      for (const one of left) carry({ ...one, resumed: true }).catch(() => {});
      return left.length;
    },
    /** What is under way. */
    pending: () => pending.list(),
    /** @param {string} path of a query, below the base or as the API named it */
    query: (path) => session().then(() => ask(path.startsWith(`${base}/`) ? path : base + path)),
    /**
     * @param {string} type
     * @param {(event: any) => void} listener
     * @returns {() => void} ends the listening
     */
    on(type, listener) {
      const known = listeners.get(type) ?? new Set();
      listeners.set(type, known.add(listener));
      return () => known.delete(listener);
    },
  };
}

/** `localStorage`, unless the browser forbids it. */
function safeStorage() {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
}

/** A UUIDv4, also where the page is no secure context and `crypto.randomUUID` is missing. */
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
