// @ts-check
/** One location, and the page for a path that leads nowhere. */
import { h, patiently, trouble, when } from "./dom.js";
import { detailPath } from "./locations.js";

/**
 * @param {ReturnType<typeof import("./client.js").createClient>} client
 * @returns {import("./router.js").View}
 */
export function createDetailView(client) {
  return ({ match, left }) => {
    const heading = h("h1", {}, "Location");
    const box = h("div", { "aria-busy": "true" });
    const load = async () => {
      try {
        const bone = () => box.replaceChildren(h("p", { class: "bone" }));
        const location = await patiently(client.query(detailPath(decode(match[1]))), bone);
        if (left.aborted) return;
        heading.textContent = location.name;
        document.title = `${location.name} · Homing`;
        box.replaceChildren(facts(location));
      } catch (problem) {
        if (left.aborted) return;
        const missing = Object(problem).status === 404;
        heading.textContent = missing ? "No such location" : "Location";
        box.replaceChildren(missing ? absent() : trouble("It cannot be read at the moment.", String(Object(problem).message), load));
      }
      box.removeAttribute("aria-busy");
    };
    void load();
    const back = h("p", { class: "back" }, h("a", { href: "/locations" }, "All locations"));
    return { title: "Location", element: h("article", {}, back, heading, box) };
  };
}

/** @param {import("./locations.js").Location} location */
function facts({ location_id, category, description, registered_at }) {
  /** @param {string} term @param {any} value */
  const fact = (term, value) => h("div", {}, h("dt", {}, term), h("dd", {}, value));
  return h(
    "div",
    {},
    h("p", { class: "prose" }, description || h("span", { class: "muted" }, "No description.")),
    h(
      "dl",
      {},
      fact("Category", category),
      fact("Registered", when(registered_at)),
      fact("Id", h("code", {}, location_id)),
    ),
  );
}

function absent() {
  return h("div", { class: "empty" }, h("p", {}, "There is no location with this id, or it is not there yet."));
}

/** @param {string} part */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** @type {import("./router.js").View} */
export function missingView({ path }) {
  const element = h(
    "section",
    {},
    h("h1", {}, "Not found"),
    h("p", { class: "prose" }, "Nothing lives at ", h("code", {}, path), "."),
    h("p", {}, h("a", { class: "button", href: "/locations" }, "To the locations")),
  );
  return { title: "Not found", element };
}
