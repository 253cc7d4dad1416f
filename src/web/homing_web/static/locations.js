// @ts-check
/** What the page knows of the sample domain: its words, its query paths, one row. */
import { h, when } from "./dom.js";

export const REGISTER = "locations.register";
export const CATEGORIES = ["Town", "City", "County/Region", "Country", "Continent"];
export const NAME_MAX = 200;
export const DESCRIPTION_MAX = 2000;

/** @typedef {{location_id: string, name: string, category: string, description: string, registered_at: string}} Location */

/** A command in words. @param {string} type @param {any} payload */
export function describe(type, payload) {
  return type === REGISTER ? `Register ${label(payload)}` : type;
}

/** @param {any} payload */
export function label(payload) {
  return payload?.name ? `“${payload.name}”` : "the location";
}

/** @param {string | null} category */
export function listPath(category) {
  const query = new URLSearchParams({ limit: "20" });
  if (category) query.set("category", category);
  return `/locations?${query}`;
}

/** @param {string} id */
export const detailPath = (id) => `/locations/${encodeURIComponent(id)}`;

/** @param {Location} location */
export function row({ location_id, name, category, registered_at }) {
  return h(
    "li",
    {},
    h("a", { href: `/locations/${encodeURIComponent(location_id)}` }, name),
    h("span", { class: "tag" }, category),
    h("span", { class: "small" }, when(registered_at)),
  );
}
