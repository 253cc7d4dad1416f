// @ts-check
/**
 * What may be done from here: nothing without HOMING_OPERATOR_TOKEN on the server and the same token
 * typed in here. It is kept for this tab alone, and sent in a header alone.
 */
import { Problem, ask } from "./fetching.js";
import { h } from "./dom.js";

const KEPT = "homing.operator-token";
/** What a token can be; whatever else there is would not go into a header. */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

/** @typedef {ReturnType<typeof createRights>} Rights */

/** @param {HTMLElement} note */
export function createRights(note) {
  let writable = /** @type {boolean | undefined} */ (undefined);
  /** @type {Set<() => void>} */
  const watchers = new Set();
  const input = h("input", { type: "password", id: "token", autocomplete: "off", spellcheck: "false", required: true, maxlength: 500 });
  const complaint = h("p.error", { role: "alert", hidden: true });
  const form = h("form.token", { hidden: true }, h("label", { for: "token" }, "Operators’ token"), input, h("button", { type: "submit" }, "Use it"));
  const leave = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => use("") }, "Forget the token");
  note.after(form, complaint, leave);

  /** @param {string} token */
  function use(token) {
    try {
      token ? sessionStorage.setItem(KEPT, token) : sessionStorage.removeItem(KEPT);
    } catch {
      // Then it is not kept at all, and nothing can be changed.
    }
    draw();
  }
  /** @returns {string} */
  function token() {
    try {
      return sessionStorage.getItem(KEPT) ?? "";
    } catch {
      return "";
    }
  }
  /** @param {string} text */
  function complain(text) {
    complaint.textContent = text;
    complaint.hidden = !text;
  }
  function draw() {
    const has = Boolean(token());
    form.hidden = !writable || has;
    leave.hidden = !writable || !has;
    note.textContent = !writable
      ? "Only to look at: HOMING_OPERATOR_TOKEN is not set, so that nothing can be changed here, and no payload is shown."
      : has
        ? "With your token you can replay and discard dead letters, and see what is in them."
        : "To replay or discard dead letters, or to see what is in them, say the operators’ token.";
    watchers.forEach((watcher) => watcher());
  }
  form.addEventListener("submit", (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const said = input.value.trim();
    const can = TOKEN.test(said);
    complain(can ? "" : "This is not the operators’ token: it has letters, digits and -._~+/ alone.");
    use(can ? said : "");
    input.value = "";
  });

  return {
    may: () => Boolean(writable && token()),
    /** @param {() => void} watcher */
    watch: (watcher) => watchers.add(watcher),
    /** @param {import("./watching.js").State} state */
    show(state) {
      if (state.writable === writable) return;
      writable = state.writable;
      draw();
    },
    /**
     * Ask with the token; one that is wrong is forgotten.
     * @param {string} path below /operator
     * @param {"GET" | "POST"} method
     */
    async ask(path, method) {
      try {
        return await ask(`/operator${path}`, { method, headers: { Authorization: `Bearer ${token()}` }, cache: "no-store" });
      } catch (problem) {
        if (problem instanceof Problem && problem.status === 401) {
          use("");
          complain(problem.message);
          input.focus();
        }
        throw problem;
      }
    },
  };
}
