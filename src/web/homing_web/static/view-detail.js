// @ts-check
/** One location, with what can be done to it. */
import { createActions } from "./actions.js";
import { h, patiently, trouble } from "./dom.js";
import { loop } from "./line.js";
import { REGISTER, detailPath, doing } from "./locations.js";
import { since, when } from "./times.js";

/** @typedef {import("./locations.js").Location} Location */

/**
 * @param {import("./command-form.js").Parts} parts
 * @returns {import("./router.js").View}
 */
export function createDetailView(parts) {
  const { client } = parts;
  return ({ match, left }) => {
    const id = decode(match[1]);
    const heading = h("h1", "Location");
    const pending = h("p.note", { hidden: true });
    const facts = h("div", { "aria-busy": "true" });
    const actions = h("div");
    let shown = /** @type {Location | undefined} */ (undefined);

    /** @param {Location} location */
    const show = (location) => {
      heading.textContent = location.name;
      document.title = `${location.name} · Homing`;
      facts.replaceChildren(factsOf(location));
      if (location.closed_at) actions.replaceChildren();
      else if (!shown) actions.replaceChildren(createActions(parts, () => /** @type {Location} */ (shown), left));
      shown = location;
    };
    const load = async () => {
      try {
        const bones = () => shown || facts.replaceChildren(h("p.bone"), h("p.bone"));
        const location = await patiently(client.query(detailPath(id)), bones);
        if (!left.aborted) show(location);
      } catch (problem) {
        if (left.aborted || shown) return;
        const missing = Object(problem).status === 404;
        if (missing) heading.textContent = comesYet() ? "On its way" : "No such location";
        facts.replaceChildren(missing ? absent(comesYet()) : trouble("It cannot be read at the moment.", String(Object(problem).message), load));
      }
      facts.removeAttribute("aria-busy");
    };
    const mine = () => client.ledger.open().filter((entry) => entry.key === id || entry.payload?.location_id === id);
    const comesYet = () => mine().find((entry) => entry.type === REGISTER);
    const draw = () => {
      const [entry] = mine().filter(({ type }) => type !== REGISTER);
      pending.hidden = !entry;
      if (entry) pending.replaceChildren(loop(entry.state), h("span", `${doing(entry)}, `, since(entry.at), "."));
    };

    client.ledger.watch(draw, left);
    client.on("outcome", ({ outcome }) => outcome.key === id && outcome.status === "succeeded" && (outcome.data ? show(outcome.data) : load()), left);
    client.on("reset", load, left);
    client.on("caught-up", ({ again }) => again && load(), left);
    draw();
    void load();
    const back = h("p.back", h("a", { href: "/locations" }, "All locations"));
    return { title: "Location", element: h("article", back, heading, pending, facts, actions) };
  };
}

/** @param {Location} location */
function factsOf({ location_id, category, description, registered_at, closed_at }) {
  /** @param {string} term @param {any} value */
  const fact = (term, value) => h("div", h("dt", term), h("dd", value));
  return h(
    "div",
    closed_at && h("p.closed", "Closed ", when(closed_at), ". It is off the map, and its name is free again."),
    h("p.prose", description || h("span.muted", "No description.")),
    h(
      "dl",
      fact("Category", category),
      fact("Registered", when(registered_at)),
      fact("Id", h("code", location_id)),
    ),
  );
}

/** @param {import("./client.js").Entry | undefined} entry */
function absent(entry) {
  if (!entry) return h("div.empty", h("p", "There is no location with this id, or it is not there yet."));
  return h("div.empty", loop(entry.state), h("p.strong", "It will be available shortly."), h("p", "It is shown here as soon as it is."));
}

/** @param {string} part */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
