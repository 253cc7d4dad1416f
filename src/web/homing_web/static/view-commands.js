// @ts-check
/**
 * Where is my command? Each of one's own as a waterfall, newest first, live; or one of them alone.
 *
 * What this browser knows is in the ledger, which the one event stream keeps; what it has forgotten
 * the API still has. That is read once, and again when something may have been missed.
 */
import { said } from "./activity-panel.js";
import { arrange, createKeyed, h, patiently, trouble } from "./dom.js";
import { loop } from "./line.js";
import { action, describe } from "./locations.js";
import { when } from "./times.js";
import { facts, raw, waitsFor, waterfall } from "./waterfall.js";

/** @typedef {import("./client.js").Entry} Entry */

const PAGE = 50;

/**
 * @param {import("./client.js").Client} client
 * @returns {import("./router.js").View}
 */
export function createCommandsView(client) {
  return ({ match, left }) => {
    const wanted = match[1];
    const list = h("ol.trips");
    const notice = h("div");
    const more = h("button", { type: "button", class: "quiet more", hidden: true, onclick: () => load(next) }, "More");
    const keyed = createKeyed((/** @type {Entry} */ entry, former) => trip(entry, former?.querySelector("details")?.open ?? Boolean(wanted)));
    /** What the API has told, by command id. @type {Map<string, Entry>} */
    const told = new Map();
    /** @type {string | null} */
    let next = null;
    let loaded = false;

    const draw = () => {
      const known = client.ledger.list();
      const ids = new Set(known.map(({ commandId }) => commandId));
      const all = [...known, ...[...told.values()].filter(({ id }) => !ids.has(id))].sort((a, b) => b.at - a.at);
      const shown = wanted ? all.filter(({ id, commandId }) => id === wanted || commandId === wanted) : all;
      arrange(list, keyed(shown.map((item) => ({ key: item.id, item }))));
      if (loaded || shown.length) notice.replaceChildren(...(shown.length ? [] : [nothing(wanted)]));
      more.hidden = !next || Boolean(wanted);
    };
    /** @param {string | null} [path] of the next page */
    const load = async (path) => {
      if (wanted && list.childElementCount) return;
      try {
        const asked = wanted ? client.query(`/commands/${encodeURIComponent(wanted)}`).then((one) => ({ items: [one], next: null })) : client.query(path || `/outcomes?limit=${PAGE}`);
        const page = await patiently(asked, () => loaded || list.childElementCount || notice.replaceChildren(h("p.bone")));
        if (left.aborted) return;
        for (const outcome of page.items) if (outcome.timeline) told.set(outcome.command_id, entryOf(outcome));
        ({ next } = page);
      } catch (problem) {
        const { status, message } = Object(problem);
        // Without a session nothing was sent, and what is not an id, or another's, is not there.
        if (left.aborted || list.childElementCount) return;
        if (![400, 401, 404, 410, 422].includes(status)) return notice.replaceChildren(trouble("What was sent before cannot be read at the moment.", message, () => load()));
      }
      loaded = true;
      draw();
    };

    client.ledger.watch(draw, left);
    client.on("reset", () => load(), left);
    client.on("caught-up", ({ again }) => again && load(), left);
    draw();
    void load();
    const title = "Where is my command?";
    const about = h("p.prose.muted", "Each command goes out, is stored, decided, and comes home. What is on its way grows while you watch.");
    const back = wanted && h("p.back", h("a", { href: "/commands" }, "All commands"));
    return { title, element: h("section", back, h("h1", title), about, list, notice, more) };
  };
}

/** An outcome as the ledger would have kept it. @param {any} outcome @returns {Entry} */
function entryOf(outcome) {
  const { command_id: id, type, key, status: state, data: payload, error, timeline } = outcome;
  const at = Date.parse(timeline.accepted_at);
  return { id, commandId: id, type, key, state, payload, outcome, at, tookMs: Date.parse(timeline.decided_at ?? timeline.accepted_at) - at, detail: error?.detail || error?.title || "" };
}

/** @param {Entry} entry @param {boolean} open */
function trip(entry, open) {
  const to = action(entry, "redirect")?.to;
  const title = `trip-${entry.id}`;
  return h("li.trip", { data: { state: entry.state } },
    h("article", { "aria-labelledby": title },
      h("div.note", loop(entry.state), h("h2", { id: title }, describe(entry))),
      h("p.said", said(entry), " · ", when(entry.at), to && " · ", to && h("a", { href: to, "aria-label": `Open: ${describe(entry)}` }, "Open")),
      waterfall(entry),
      waitsFor(entry),
      h("details", { open }, h("summary", "Ids, place and raw JSON"), facts(entry), ...raw(entry, "JSON")),
    ),
  );
}

/** @param {string | undefined} wanted */
function nothing(wanted) {
  return wanted
    ? h("div.empty", h("p", "This browser has sent no such command, or its outcome is no longer kept."))
    : h("div.empty", h("p.strong", "Nothing was sent yet."), h("p", "Register a location and watch its command go out and come home."), h("a.button", { href: "/locations/new" }, "Register a location"));
}
