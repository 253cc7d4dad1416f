// @ts-check
/**
 * Which tab of this browser leads: exactly one at a time, and always one that is awake.
 *
 * Where it stands: below follow.js. The leader holds a Web Lock, which the browser hands on when the
 * tab is closed or crashes; a tab that is put to rest (`freeze`, `pagehide`) gives it up itself. A
 * leader that sleeps without a word still holds it: so each visible tab asks it now and then, by
 * BroadcastChannel, whose messages are not slowed down in hidden tabs as timers are. Without an
 * answer, or if it is hidden (where timers run once a minute) and has no connection, the asking
 * tab takes the lock by force.
 *
 * Locks exist on secure origins only. Where they or the channel are missing, each tab leads itself
 * while it is visible: few streams, and nothing is lost, as each resumes from its own cursor.
 */

const ASK_MS = 5000;
const ANSWER_MS = 2000;
const HIDDEN_MS = 20_000;

/**
 * @typedef {object} Seat
 * @property {string} name
 * @property {BroadcastChannel | undefined} channel
 * @property {(signal: AbortSignal) => Promise<void>} lead runs until the signal
 * @property {() => boolean} isWell whether the leader's work goes on
 */

/** @param {Seat} seat */
export function stand(seat) {
  const locks = globalThis.navigator.locks;
  if (locks && seat.channel) standWithLocks(seat, locks, seat.channel);
  else standAlone(seat);
}

/** @param {Seat} seat @param {LockManager} locks @param {BroadcastChannel} channel */
function standWithLocks({ name, lead, isWell }, locks, channel) {
  /** @type {AbortController | undefined} */
  let term;
  /** @type {AbortController | undefined} */
  let queue;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let doubt;

  /** @param {boolean} steal */
  async function campaign(steal) {
    queue?.abort();
    const mine = (queue = new AbortController());
    /** @type {AbortController | undefined} */
    let own;
    const serve = async () => {
      own = term = new AbortController();
      clearTimeout(doubt);
      channel.postMessage({ kind: "here", ok: true });
      await lead(own.signal);
    };
    try {
      await locks.request(name, steal ? { steal } : { signal: mine.signal }, serve);
    } catch {
      own?.abort(); // another tab has taken it: this one did not answer in time
    }
    if (own && own === term) term = undefined;
    if (!mine.signal.aborted) setTimeout(() => queue === mine && campaign(false), 100);
  }

  const retire = () => {
    queue?.abort();
    queue = undefined;
    term?.abort();
    clearTimeout(doubt);
  };
  const rise = () => queue ?? campaign(false);
  const ask = () => {
    if (term || !queue || document.hidden) return;
    clearTimeout(doubt);
    doubt = setTimeout(() => campaign(true), ANSWER_MS * (1 + Math.random()));
    channel.postMessage({ kind: "who" });
  };

  channel.addEventListener("message", ({ data }) => {
    if (data.kind === "who" && term) channel.postMessage({ kind: "here", ok: !document.hidden || isWell() });
    if (data.kind === "here" && data.ok) clearTimeout(doubt);
  });
  setInterval(ask, ASK_MS);
  document.addEventListener("visibilitychange", ask);
  for (const resting of ["freeze", "pagehide"]) addEventListener(resting, retire, true);
  for (const waking of ["resume", "pageshow"]) addEventListener(waking, rise, true);
  rise();
}

/** @param {Seat} seat */
function standAlone({ lead }) {
  /** @type {AbortController | undefined} */
  let term;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let leaving;
  const retire = () => {
    term?.abort();
    term = undefined;
  };
  const look = () => {
    clearTimeout(leaving);
    if (document.hidden) leaving = setTimeout(retire, HIDDEN_MS);
    else if (!term) void lead((term = new AbortController()).signal);
  };
  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", retire);
  addEventListener("pageshow", look);
  look();
}
