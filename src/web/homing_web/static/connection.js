// @ts-check
/** The thin bar that says when the server cannot be heard, and when it is tried again. */

/**
 * @param {HTMLElement} bar
 * @param {ReturnType<typeof import("./client.js").createClient>} client
 */
export function showConnection(bar, client) {
  let nextAt = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let ticking;

  const draw = () => {
    const seconds = Math.ceil((nextAt - Date.now()) / 1000);
    const next = seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again.";
    bar.textContent = navigator.onLine ? `The server does not answer. ${next}` : "This device is offline.";
  };
  const show = (/** @type {number} */ inMs) => {
    nextAt = Date.now() + inMs;
    ticking ??= setInterval(draw, 1000);
    bar.hidden = false;
    draw();
  };
  const hide = () => {
    clearInterval(ticking);
    ticking = undefined;
    bar.hidden = true;
  };

  client.on("connection", ({ open, inMs }) => (open ? hide() : show(inMs)));
  addEventListener("offline", () => show(0));
  addEventListener("online", hide);
}
