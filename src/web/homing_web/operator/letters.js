// @ts-check
/** Dead letters: why, what became of the last replay, and what can be done, if one may. */
import { arrange, copyButton, createKeyed, h } from "./dom.js";
import { when } from "./times.js";

/** @typedef {import("./watching.js").Letter} Letter */
/** @typedef {import("./rights.js").Rights} Rights */

/** @param {HTMLElement} place @param {Rights} rights @param {(text: string) => void} say */
export function createLetters(place, rights, say) {
  const heading = /** @type {HTMLElement} */ (document.getElementById("h-letters"));
  heading.tabIndex = -1;
  const list = h("ol.letters");
  const none = h("p.muted.none", "None: whatever was accepted could be processed.");
  const more = h("p.muted.none", { hidden: true });
  place.replaceChildren(none, list, more);
  /** What was said about a letter, and what is unfolded, while its row is made anew. @type {Map<number, Desk>} */
  const desks = new Map();
  /** @type {Letter[]} */
  let letters = [];
  /** @param {number} id */
  const deskOf = (id) => {
    const desk = desks.get(id) ?? createDesk(id, rights, say);
    desks.set(id, desk);
    return desk;
  };
  const keyed = createKeyed((/** @type {Letter} */ letter) => rowOf(letter, deskOf(letter.id).element));
  const draw = () => {
    for (const { id } of letters) deskOf(id).draw();
    for (const id of desks.keys()) if (!letters.some((one) => one.id === id)) desks.delete(id);
    const focused = /** @type {HTMLElement} */ (document.activeElement);
    const lost = list.contains(focused);
    arrange(list, keyed(letters.map((item) => ({ key: String(item.id), item }))));
    // A row that is made anew takes its buttons with it; where it is gone, one goes on from the top.
    if (lost && document.activeElement !== focused) (focused.isConnected ? focused : heading).focus({ preventScroll: true });
    none.hidden = letters.length > 0;
  };
  rights.watch(draw);
  return {
    /** @param {import("./watching.js").State} state @param {Set<string>} changed */
    show(state, changed) {
      if (!changed.has("letters") && !changed.has("letters_open")) return;
      ({ letters } = state);
      more.hidden = state.letters_open <= letters.length;
      more.textContent = `The newest ${letters.length} of ${state.letters_open}${state.letters_more ? " and more" : ""}. homing dead-letters list shows the others.`;
      draw();
    },
  };
}

/** @param {Letter} letter @param {HTMLElement} desk */
function rowOf({ id, command_id, type, key, reason, partition, sequence, recorded_at, replays, replay }, desk) {
  const became = replay && h("span.verdict", { data: { tone: replay === "succeeded" ? "" : replay === "pending" ? "late" : "bad" } }, `replay ${replays} ${replay}`);
  return h("li", { data: { letter: id } },
    h("p.strong", h("code", type), " ", h("span.verdict", { data: { tone: "bad" } }, reason), became && " ", became),
    h("p.small", `Letter ${id}, `, when(recorded_at), `, partition ${partition}, sequence ${sequence}`),
    key && h("p.small", "Key ", h("code", key)),
    command_id ? h("p.small", "Command ", h("code", command_id)) : h("p.small", "It has no readable envelope."),
    desk,
  );
}

/** @typedef {ReturnType<typeof createDesk>} Desk */

/** The buttons of one letter, and what came of them. @param {number} id @param {Rights} rights @param {(text: string) => void} say */
function createDesk(id, rights, say) {
  const told = h("p.small", { role: "status" });
  const inside = h("div");
  /** @param {string} text @param {() => void} onclick */
  const button = (text, onclick) => h("button", { type: "button", onclick, "aria-label": `${text} letter ${id}` }, text);
  let sure = false;
  let busy = false;
  const show = button("Show", () => void work("", "GET"));
  const replay = button("Replay", () => void work("/replay", "POST"));
  const discard = button("Discard", () => {
    if (sure) return void work("/discard", "POST");
    sure = true;
    discard.textContent = "Discard it: sure?";
    discard.setAttribute("aria-label", `Discard letter ${id}: sure?`);
  });
  discard.addEventListener("blur", () => {
    sure = false;
    discard.textContent = "Discard";
    discard.setAttribute("aria-label", `Discard letter ${id}`);
  });
  const buttons = h("div.inline", show, replay, discard);
  const element = h("div.desk-of", buttons, told, inside);

  /** @param {"" | "/replay" | "/discard"} verb @param {"GET" | "POST"} method */
  async function work(verb, method) {
    if (busy) return; // and not disabled, which would lose the focus
    busy = true;
    try {
      const answer = await rights.ask(`/dead-letters/${id}${verb}`, method);
      if (!verb) inside.replaceChildren(contentOf(answer));
      const text = { "": "", "/replay": `Replay ${answer.number} is sent: ${answer.command_id}.`, "/discard": "Discarded." }[verb];
      told.textContent = text;
      if (verb === "/discard") say(`Letter ${id} is discarded.`);
    } catch (problem) {
      told.textContent = String(Object(problem).message);
    }
    busy = false;
  }
  const draw = () => {
    buttons.hidden = !rights.may();
    if (!rights.may()) inside.replaceChildren(); // what was shown with the token goes with it
  };
  draw();
  return { element, draw };
}

/** @param {any} letter */
function contentOf({ reason, subject, headers, body, body_base64, traceback, later, not_replayable }) {
  /** @param {string} term @param {any} value */
  const fact = (term, value) => h("div", h("dt", term), h("dd", value));
  /** @param {string} name @param {string} text */
  const text = (name, text) => h("div", h("div.head", h("h3", name), copyButton(() => text)), h("pre", { tabindex: "0", role: "region", "aria-label": name }, text));
  const since = later === null ? "unknown" : `${later}${later >= 1000 ? " or more" : ""} commands have taken effect on its key`;
  return h("div.content",
    h("dl", fact("Reason", reason), fact("Subject", h("code", subject)), fact("Since then", since), not_replayable && fact("Replay", not_replayable)),
    text("Body", body ?? body_base64),
    text("Headers", JSON.stringify(headers, null, 2)),
    text("Traceback", traceback || "none"),
  );
}
