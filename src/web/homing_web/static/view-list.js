// @ts-check
/** The list: newest first, by category, page after page; what is on its way stands at its top. */
import { isOpen } from "./activity.js";
import { h, loop, patiently, skeleton, trouble } from "./dom.js";
import { CATEGORIES, REGISTER, listPath, row } from "./locations.js";

/** @typedef {ReturnType<typeof import("./client.js").createClient>} Client */
/** @typedef {ReturnType<typeof import("./activity.js").createActivity>} Activity */

/**
 * @param {Client} client
 * @param {Activity} activity
 * @returns {import("./router.js").View}
 */
export function createListView(client, activity) {
  return ({ query, left }) => {
    const category = query.get("category");
    const box = h("div", {});
    const waiting = h("ul", { class: "rows waiting" });

    const load = async () => {
      try {
        const page = client.query(listPath(category));
        const { items, next } = await patiently(page, () => box.childElementCount || box.append(skeleton(6)));
        if (left.aborted) return;
        box.replaceChildren(...(items.length ? [listOf(client, items, next)] : [nothing(category)]));
      } catch (problem) {
        box.replaceChildren(trouble("The list cannot be read at the moment.", String(Object(problem).message), load));
      }
      drawWaiting();
    };
    const drawWaiting = () => {
      const open = activity
        .list()
        .filter((entry) => entry.type === REGISTER && isOpen(entry))
        .filter((entry) => !category || entry.payload.category === category);
      waiting.replaceChildren(
        ...open.map((entry) =>
          h("li", {}, h("span", {}, entry.payload.name), h("span", { class: "tag" }, entry.payload.category), loop(entry.state)),
        ),
      );
    };

    activity.watch(drawWaiting, left);
    const off = client.on("outcome", ({ outcome }) => outcome.status === "succeeded" && load());
    left.addEventListener("abort", off);
    void load();

    const head = h("div", { class: "head" }, h("h1", {}, "Locations"), h("a", { class: "button", href: "/locations/new" }, "New location"));
    const element = h("section", {}, head, filters(category), waiting, box);
    return { title: "Locations", element };
  };
}

/** @param {string | null} chosen */
function filters(chosen) {
  const chips = [null, ...CATEGORIES].map((category) =>
    h(
      "a",
      {
        href: category ? `/locations?category=${encodeURIComponent(category)}` : "/locations",
        "aria-current": category === chosen ? "true" : null,
      },
      category ?? "All",
    ),
  );
  return h("div", { class: "chips", role: "group", "aria-label": "Category" }, chips);
}

/** @param {Client} client @param {any[]} items @param {string | null} next */
function listOf(client, items, next) {
  const list = h("ul", { class: "rows" }, items.map(row));
  const more = h("button", { type: "button", class: "quiet more" }, "More");
  more.hidden = !next;
  more.addEventListener("click", async () => {
    more.disabled = true;
    try {
      const page = await client.query(/** @type {string} */ (next));
      const rows = page.items.map(row);
      list.append(...rows);
      next = page.next;
      more.hidden = !next;
      rows[0]?.querySelector("a").focus();
      more.textContent = "More";
    } catch {
      more.textContent = "The rest could not be read. Try again";
    }
    more.disabled = false;
  });
  return h("div", {}, list, more);
}

/** @param {string | null} category */
function nothing(category) {
  return h(
    "div",
    { class: "empty" },
    h("p", { class: "strong" }, category ? `Nothing in the category ${category} yet.` : "There are no locations yet."),
    h("p", {}, "A location is a place with a name: a town, a region, a continent. Register one and watch the command go out and come home."),
    h("a", { class: "button", href: "/locations/new" }, "Register a location"),
  );
}
