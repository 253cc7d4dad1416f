// @ts-check
/** The thin bar that says when the server cannot be heard, when it is tried again, and what came. */
import { h } from "./dom.js";

const CAUGHT_UP_MS = 6000;

/**
 * @param {HTMLElement} bar
 * @param {import("./client.js").Client} client
 * @param {(text: string) => void} say to those who listen; the countdown would be said each second
 */
export function showConnection(bar, client, say) {
  let lost = false;
  let retryAt = 0;
  /** @type {ReturnType<typeof setInterval>} */
  let ticking;
  /** @type {ReturnType<typeof setTimeout>} */
  let leaving;

  const draw = () => {
    const seconds = Math.ceil((retryAt - Date.now()) / 1000);
    const next = seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again.";
    const kept = h("span.roomy", " What you send is kept in this browser.");
    bar.replaceChildren(navigator.onLine ? `The server does not answer. ${next}` : "This device is offline.", kept);
  };
  const lose = (/** @type {number} */ at) => {
    retryAt = at;
    clearTimeout(leaving);
    clearInterval(ticking);
    ticking = setInterval(draw, 500);
    Object.assign(bar.dataset, { state: "lost" });
    bar.hidden = false;
    draw();
    if (!lost) say("The server does not answer. What you send is kept in this browser.");
    lost = true;
  };
  const find = () => {
    clearInterval(ticking);
    if (!lost) return;
    lost = false;
    tell("Connected again.", 2000);
  };
  /** @param {string} text @param {number} ms */
  const tell = (text, ms) => {
    clearTimeout(leaving);
    bar.dataset.state = "found";
    bar.textContent = text;
    bar.hidden = false;
    leaving = setTimeout(() => (bar.hidden = true), ms);
  };

  client.on("connection", ({ open, retryAt: at }) => (open ? find() : lose(at)));
  client.on("caught-up", ({ count }) => {
    if (!count) return;
    const text = `Caught up: ${count} outcome${count === 1 ? "" : "s"} came while you were away.`;
    tell(text, CAUGHT_UP_MS);
    say(text);
  });
  addEventListener("offline", () => lose(0));
  if (!navigator.onLine) lose(0);
}
