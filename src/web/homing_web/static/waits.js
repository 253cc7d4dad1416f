// @ts-check
/** "How to wait": the choices of the demonstration, kept from visit to visit. */
import { keep, recall, safeStorage } from "./browser.js";
import { h } from "./dom.js";

const KEPT = "homing.options";
const storage = safeStorage();

/** @typedef {{wait: "page" | "response", timeout: number, slow: boolean, delay: number, open: boolean}} Options */

/** @param {import("./client.js").Client} client @param {boolean} [folded] whatever the last visit left */
export function createWaits(client, folded = false) {
  /** @type {Options} */
  const options = { wait: "page", timeout: 10, slow: false, delay: 3, open: false, ...recall(storage, KEPT) };
  /** @param {"page" | "response"} value @param {string} text @param {string} shows */
  const radio = (value, text, shows) =>
    h(
      "label.choice",
      h("input", { type: "radio", name: "wait", value, checked: options.wait === value }),
      h("span", h("span.strong", text), h("span.rule", shows)),
    );
  /** @param {"timeout" | "delay"} name @param {number} max */
  const seconds = (name, max) => h("input", { type: "number", name, value: options[name], min: 0, max, step: "any", required: true });
  const [timeout, delay] = [seconds("timeout", 30), seconds("delay", 5)];
  delay.ariaLabel = "Delay in seconds";
  const response = radio("response", "In the response", "The server holds its response; the line stays at “Sent” and then is home in one go.");
  const slow = h("input", { type: "checkbox", role: "switch", checked: options.slow });
  const demo = h(
    "div",
    { hidden: true },
    h("div.inline", h("label", slow, "Make the reactor slow"), "by", delay, "seconds"),
    h("p.rule", "The reactor holds the command back; longer than the wait, and you see what late looks like."),
  );
  const element = h(
    "details.waits",
    { open: options.open && !folded },
    h("summary", "How to wait"),
    radio("page", "On this page", "Accepted at once; the line waits at “Stored” until the outcome comes over the event stream (SSE)."),
    response,
    h("label.inline", "Wait for at most", timeout, "seconds"),
    demo,
  );

  // Without a session the bar says so; here only the switch is missing.
  client.session().then((session) => (demo.hidden = !session.demo)).catch(() => {});

  return {
    element,
    /** The choice, which is kept for the next visit. */
    chosen() {
      Object.assign(options, {
        wait: response.querySelector("input").checked ? "response" : "page",
        timeout: Number(timeout.value),
        slow: slow.checked,
        delay: Number(delay.value),
        open: folded ? options.open : element.open,
      });
      keep(storage, KEPT, options);
      return { ...options, delay: slow.checked && !demo.hidden ? options.delay : 0 };
    },
  };
}
