// @ts-check
/**
 * The browser client of Homing: sends a command and brings its outcome home.
 *
 * Where it stands: above fetching.js (one request), ledger.js (what survives a reload) and follow.js
 * (how outcomes are learnt); below any page. It knows nothing of any domain.
 *
 *     const client = createClient({ base: "/api" });
 *     client.on("outcome", ({ entry, outcome }) => …);
 *     client.start();
 *     const answer = await client.submit("locations.register", { name: "Graz", … }, { timeout: 5 });
 *     if (answer.status === "pending") …      // later the "outcome" event
 */
import { safeStorage, uuid } from "./browser.js";
import { Problem, ask, persist } from "./fetching.js";
import { createFollower } from "./follow.js";
import { createLedger, isOpen } from "./ledger.js";
import { NEW_SESSION, OLD_MS, askStatus } from "./overdue.js";

export { Problem, isOpen };

/** @typedef {import("./ledger.js").Entry} Entry */
/** @typedef {{wait?: "page" | "response", timeout?: number, delay?: number, label?: string}} SubmitOptions */
/** @typedef {{status: string, command_id?: string, [member: string]: any}} Answer */
/** @typedef {ReturnType<typeof createClient>} Client */

/** A command that another tab was sending is taken up by the leader if it was not accepted by then. */
const ORPHANED_MS = 5000;
/** For so long an outcome may be ahead of the response that says whose it is. */
const EARLY_MS = 10_000;
/** For so long no answer is no news, even if nobody wants to wait. */
const PATIENCE_MS = 1500;
/** So long after the wait a request is given up; repeated with its key it is still one command. */
const LIMIT_MS = 15_000;

/**
 * Events, each with one object:
 * - `submitted`, `accepted` {entry}
 * - `retrying` {entry, retryAt, problem}: not accepted yet, the same command is sent again
 * - `pending` {entry}: the time is up, the outcome will follow
 * - `outcome` {entry, outcome, mine}: once per command and tab; `mine` if this page sent it
 * - `refused` {entry, problem, mine}: it was never accepted
 * - `gone` {entry}: accepted, but its outcome can no longer be told
 * - `connection` {open, retryAt}
 * - `caught-up` {count, again}: the stream is there, `again` after a loss; so many outcomes came while
 *   nobody listened
 * - `reset`: what is shown may be old
 *
 * @param {{base?: string, storage?: Storage, name?: string}} [options]
 */
export function createClient({ base = "/api", storage = safeStorage(), name = "homing" } = {}) {
  const ledger = createLedger(`${name}.command`, storage);
  /** @type {Map<string, Set<(event: any) => void>>} */
  const listeners = new Map();
  /** What this page sends or waits for, by entry. @type {Map<string, {resumed: boolean, timeIsUp: boolean, resolve: (answer: Answer) => void}>} */
  const carried = new Map();
  /** @type {Map<string, any>} */
  const early = new Map();
  /** @type {Promise<{owner: string, demo: boolean}> | undefined} */
  let opened;

  const follower = createFollower({
    base,
    name,
    storage,
    session,
    renew: () => (opened = undefined),
    waiting: () => ledger.open().flatMap(({ commandId }) => commandId ?? []),
    ears: {
      onOutcome: place,
      onReset: () => [check(0), emit("reset", {})],
      onCaughtUp: (count, again) => [check(OLD_MS), emit("caught-up", { count, again })],
      onConnection: (connection) => emit("connection", connection),
      onLead: takeUp,
    },
  });

  /** @param {string} type @param {object} event */
  function emit(type, event) {
    for (const listener of listeners.get(type) ?? []) listener(event);
  }

  /** The anonymous session, asked for by one tab at a time: two at once would make two of them. */
  function session() {
    const load = () => ask(`${base}/session`);
    const locks = globalThis.navigator.locks;
    opened ??= (locks ? locks.request(`${name}.session`, load) : load()).catch((problem) => {
      opened = undefined;
      throw problem;
    });
    return /** @type {Promise<{owner: string, demo: boolean}>} */ (opened);
  }

  /**
   * Send a command. Resolves to its outcome, or to `{status: "pending"}` when the time is up.
   * @param {string} type
   * @param {any} payload
   * @param {SubmitOptions} [options]
   * @returns {Promise<Answer>} rejects with a Problem if the command was refused
   */
  function submit(type, payload, { wait = "page", timeout = 10, delay = 0, label } = {}) {
    const asked = { type, payload, wait, timeout, delay, label };
    const entry = ledger.note(uuid(), { ...asked, at: Date.now(), state: "sending" });
    emit("submitted", { entry });
    return carry(entry, false);
  }

  /** @param {Entry} entry @param {boolean} resumed @returns {Promise<Answer>} */
  function carry(entry, resumed) {
    return new Promise((resolve, reject) => {
      carried.set(entry.id, { resumed, timeIsUp: false, resolve });
      // In the response the server says when the time is up; then this one is for its silence.
      const ms = (entry.timeout ?? 0) * 1000 + (entry.wait === "response" ? PATIENCE_MS : 0);
      const inMs = Math.max(0, entry.at + ms - Date.now());
      setTimeout(() => late(entry.id), inMs);
      setTimeout(() => late(entry.id, true), Math.max(inMs, PATIENCE_MS));
      send(entry, resumed).catch((problem) => {
        carried.delete(entry.id);
        const refused = ledger.note(entry.id, { state: "refused", detail: problem.message });
        emit("refused", { entry: refused, problem, mine: !resumed });
        reject(problem);
      });
    });
  }

  /** @param {Entry} entry @param {boolean} resumed */
  async function send(entry, resumed) {
    const onRetry = (/** @type {{retryAt: number, problem: Problem}} */ { retryAt, problem }) => {
      const retrying = ledger.note(entry.id, { state: "retrying", detail: problem.message });
      emit("retrying", { entry: retrying, retryAt, problem });
      if (carried.get(entry.id)?.timeIsUp) late(entry.id);
    };
    const { owner } = await persist(session, onRetry);
    if (entry.owner && entry.owner !== owner) return gone(entry.id, NEW_SESSION);
    ledger.note(entry.id, { owner });
    const answer = await persist(() => post(entry, resumed), onRetry);
    const { command_id: commandId, key, position } = answer;
    const accepted = { state: "accepted", detail: "", commandId, key, sequence: position?.sequence, acceptedAt: Date.now() };
    emit("accepted", { entry: ledger.note(entry.id, accepted) });
    ledger.forget(commandId); // its outcome was so early that it has an entry of its own
    const outcome = answer.status === "pending" ? early.get(commandId) : answer;
    early.delete(commandId);
    if (!carried.has(entry.id)) return; // the outcome was ahead of this answer
    if (outcome && !follower.tell(outcome)) deliver(outcome);
    else if (!outcome && (entry.wait === "response" || carried.get(entry.id)?.timeIsUp)) late(entry.id);
  }

  /** @param {Entry} entry @param {boolean} resumed @returns {Promise<any>} an outcome or a pending answer */
  async function post({ id, type, payload, wait, timeout, delay }, resumed) {
    /** @type {Record<string, string>} */
    const headers = { "Content-Type": "application/json", "Idempotency-Key": id };
    if (wait === "response" && !resumed) headers.Prefer = `wait=${timeout}`;
    if (delay) headers["Homing-Demo-Delay"] = String(delay);
    const options = { method: "POST", headers, body: JSON.stringify(payload), signal: AbortSignal.timeout((timeout ?? 0) * 1000 + LIMIT_MS) };
    try {
      return await ask(`${base}/commands/${encodeURIComponent(type)}`, options);
    } catch (problem) {
      if (problem instanceof Problem && problem.body.outcome) return problem.body.outcome;
      throw problem;
    }
  }

  /** An outcome whose command is not known here: it may be ahead of its response. @param {any} outcome */
  function place(outcome) {
    const id = outcome.command_id;
    if (ledger.byCommand(id)) return deliver(outcome);
    early.set(id, outcome);
    const unsent = () => ledger.open().some(({ commandId }) => !commandId);
    setTimeout(() => early.delete(id) && deliver(outcome), unsent() ? EARLY_MS : 0);
  }

  /** @param {any} outcome */
  function deliver(outcome) {
    const { command_id: commandId, type, key, status: state, error, timeline } = outcome;
    const accepted = Date.parse(timeline.accepted_at);
    const known = ledger.byCommand(commandId) ?? { id: commandId, at: accepted, type, payload: outcome.data };
    const { resolve, resumed = true } = carried.get(known.id) ?? {};
    // What came while nobody waited took as long as the servers say.
    const tookMs = resumed ? (known.tookMs ?? Date.parse(timeline.decided_at) - accepted) : Date.now() - known.at;
    const detail = error?.detail || error?.title || "";
    carried.delete(known.id);
    const entry = ledger.note(known.id, { ...known, tookMs, commandId, key, state, detail, outcome });
    emit("outcome", { entry, outcome, mine: !resumed });
    resolve?.(outcome);
  }

  /** The time is up. @param {string} id @param {boolean} [hung] that there is no answer by now tells enough */
  function late(id, hung) {
    const mine = carried.get(id);
    const entry = ledger.find(id);
    if (!mine || !entry || entry.state === "late" || !isOpen(entry)) return;
    mine.timeIsUp = true;
    if (entry.state === "sending" && !hung) return; // said as soon as it is known how far it came
    const state = entry.commandId ? "late" : "retrying";
    if (entry.wasLate && state === entry.state) return;
    const noted = ledger.note(id, { state, wasLate: true });
    emit("pending", { entry: noted });
    mine.resolve({ status: "pending", command_id: entry.commandId });
  }

  /** @param {string} id @param {string} detail */
  function gone(id, detail) {
    carried.get(id)?.resolve({ status: "gone" });
    carried.delete(id);
    emit("gone", { entry: ledger.note(id, { state: "gone", detail }) });
  }

  /** Send what was left unsent, by this browser's former pages or by tabs that are closed. */
  function takeUp() {
    const left = ledger.open().filter(({ id, commandId, at }) => !commandId && !carried.has(id) && Date.now() - at > ORPHANED_MS);
    for (const one of left) carry(one, true).catch(() => {});
  }

  /** @param {number} ageMs */
  function check(ageMs) {
    const told = (/** @type {any} */ outcome) => follower.tell(outcome) || deliver(outcome);
    // Without an answer the stream is about to break, and its next opening asks again.
    session().then(({ owner }) => askStatus({ base, ledger, owner, ageMs, told, gone })).catch(() => {});
  }

  // The second way from tab to tab: what another one has written of a command that waits here.
  ledger.watch((entry) => {
    if (entry?.commandId && early.has(entry.commandId)) {
      const outcome = early.get(entry.commandId);
      early.delete(entry.commandId);
      deliver(outcome);
    } else if (entry?.outcome && carried.has(entry.id)) follower.tell(entry.outcome, true);
  });

  return {
    submit,
    session,
    ledger,
    /** Listen, and take up what an earlier visit left open; its outcomes arrive as events. */
    start() {
      takeUp();
      follower.start();
    },
    /** @param {string} path of a query, below the base or as the API named it */
    query: (path) => ask(path.startsWith(`${base}/`) ? path : base + path),
    /**
     * @param {string} type
     * @param {(event: any) => void} listener
     * @param {AbortSignal} [until]
     */
    on(type, listener, until) {
      const known = listeners.get(type) ?? new Set();
      listeners.set(type, known.add(listener));
      until?.addEventListener("abort", () => known.delete(listener));
    },
  };
}
