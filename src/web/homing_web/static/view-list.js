// @ts-check
/**
 * The list: newest first, by category and beginning of the name, page after page.
 *
 * What this browser registers holds its place at the top from the moment it is sent, and settles
 * there; what it changes shows in its row. Nothing is read again for that: outcomes carry it.
 */
import { isOpen } from "./client.js";
import { arrange, createKeyed, h, patiently, trouble } from "./dom.js";
import { CATEGORIES, REGISTER, isListed, listAddress, listPath } from "./locations.js";
import { locationRow, waitingRow } from "./rows.js";

/** @typedef {import("./client.js").Client} Client */
/** @typedef {import("./client.js").Entry} Entry */
/** @typedef {import("./locations.js").Location} Location */
/** @typedef {import("./locations.js").Filter} Filter */

/**
 * @param {Client} client
 * @returns {import("./router.js").View}
 */
export function createListView(client) {
  return ({ query, left }) => {
    /** @type {Filter} */
    const filter = { category: CATEGORIES.find((one) => one === query.get("category")) ?? null, name: query.get("name") ?? "" };
    const rows = h("ul.rows");
    const notice = h("div");
    const more = h("button", { type: "button", class: "quiet more", hidden: true, onclick: () => readMore() }, "More");
    /** @type {Location[]} */
    let locations = [];
    /** @type {string | null} */
    let next = null;
    let loaded = false;
    let turn = 0;
    /** What was seen on its way in this visit keeps its row when it ends without a location. */
    const seen = new Set(client.ledger.open().map(({ id }) => id));
    const fresh = new Set();
    const keyed = createKeyed((/** @type {any} */ item) => ("location" in item ? locationRow(item) : waitingRow(item)));

    const draw = () => {
      const entries = client.ledger.list();
      for (const entry of entries) if (isOpen(entry)) seen.add(entry.id);
      const waiting = entries.filter((entry) => entry.type === REGISTER && seen.has(entry.id) && entry.state !== "succeeded");
      const changing = new Map(entries.filter(isOpen).map((entry) => [entry.payload?.location_id, entry]));
      const elements = keyed([
        ...waiting.filter(({ payload }) => isListed(filter, payload)).map((entry) => ({ key: entry.id, item: entry })),
        ...locations.map((location) => {
          const { location_id: key } = location;
          return { key, item: { location, doing: changing.get(key), fresh: fresh.has(key) } };
        }),
      ]);
      arrange(rows, elements);
      rows.hidden = !elements.length;
      more.hidden = !next;
      if (loaded) notice.replaceChildren(...(elements.length ? [] : [nothing(filter)]));
    };

    const load = async () => {
      const mine = ++turn;
      try {
        const bones = () => loaded || notice.replaceChildren(skeleton());
        const page = await patiently(client.query(listPath(filter)), bones);
        if (left.aborted || mine !== turn) return;
        [locations, next, loaded] = [page.items, page.next, true];
        draw();
      } catch (problem) {
        if (left.aborted || mine !== turn || loaded) return; // what is shown is better than an error
        notice.replaceChildren(trouble("The list cannot be read at the moment.", String(Object(problem).message), load));
      }
    };

    const readMore = async () => {
      more.disabled = true;
      try {
        const page = await client.query(/** @type {string} */ (next));
        const known = new Set(locations.map(({ location_id }) => location_id));
        const first = rows.children.length;
        locations = [...locations, ...page.items.filter((/** @type {Location} */ one) => !known.has(one.location_id))];
        next = page.next;
        more.textContent = "More";
        draw();
        rows.children[first]?.querySelector("a")?.focus();
      } catch {
        more.textContent = "The rest could not be read. Try again";
      }
      more.disabled = false;
    };

    /** @param {any} outcome */
    const settle = ({ status, data }) => {
      if (status !== "succeeded" || !data?.location_id) return;
      const at = locations.findIndex(({ location_id }) => location_id === data.location_id);
      if (!isListed(filter, data)) locations = locations.filter((_, i) => i !== at);
      else if (at < 0) locations = [data, ...locations];
      else locations = locations.with(at, data);
      fresh.add(data.location_id);
      draw();
    };

    client.ledger.watch(draw, left);
    client.on("outcome", ({ outcome }) => settle(outcome), left);
    client.on("reset", load, left);
    client.on("caught-up", ({ again }) => again && load(), left);
    draw();
    void load();

    const chips = h("div.chips", { role: "group", "aria-label": "Category" });
    const search = searchField(filter.name, (name) => {
      filter.name = name;
      history.replaceState(null, "", listAddress(filter));
      chips.replaceChildren(...chipsOf(filter));
      void load();
    });
    chips.replaceChildren(...chipsOf(filter));
    const head = h("div.head", h("h1", "Locations"), h("a.button", { href: "/locations/new" }, "New location"));
    return { title: "Locations", element: h("section", head, search, chips, rows, notice, more) };
  };
}

/** @param {string} name @param {(name: string) => void} onName */
function searchField(name, onName) {
  const input = h("input", { type: "search", id: "search", value: name, maxlength: 200, autocomplete: "off", placeholder: "Name begins with", "aria-label": "Name begins with" });
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => onName(input.value.trim()), 150);
  });
  return h("div.search", { role: "search" }, input, h("kbd", { "aria-hidden": "true" }, "/"));
}

/** @param {Filter} filter */
function chipsOf({ category: chosen, name }) {
  return [null, ...CATEGORIES].map((category) =>
    h("a", { href: listAddress({ category, name }), "aria-current": category === chosen ? "true" : null }, category ?? "All"),
  );
}

function skeleton() {
  return h("ul.rows", { "aria-hidden": "true" }, Array.from({ length: 6 }, () => h("li.bone")));
}

/** @param {Filter} filter */
function nothing({ category, name }) {
  if (name) return h("div.empty", h("p.strong", `No name${category ? " in this category" : ""} begins with “${name}”.`));
  return h("div.empty",
    h("p.strong", category ? `Nothing in the category ${category} yet.` : "There are no locations yet."),
    h("p", "A location is a place with a name: a town, a region, a continent. Register one and watch the command go out and come home."),
    h("a.button", { href: "/locations/new" }, "Register a location"),
  );
}
