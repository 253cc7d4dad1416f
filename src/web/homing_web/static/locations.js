// @ts-check
/** What the page knows of the sample domain: its words, its commands, its query paths. */

export const REGISTER = "locations.register";
export const RENAME = "locations.rename";
export const MOVE = "locations.move";
export const CLOSE = "locations.close";
export const CATEGORIES = ["Town", "City", "County/Region", "Country", "Continent"];
export const NAME_MAX = 200;
export const DESCRIPTION_MAX = 2000;
export const PAGE = 20;

/**
 * @typedef {object} Location
 * @property {string} location_id
 * @property {string} name
 * @property {string} category
 * @property {string} description
 * @property {string} registered_at
 * @property {string | null} closed_at
 */
/** @typedef {import("./client.js").Entry} Entry */

/** What a command is about, as people call it. @param {Entry} entry */
export function label({ label: said, payload, outcome }) {
  const name = said || payload?.name || outcome?.data?.name;
  return name ? `“${name}”` : "the location";
}

/** A command in words. @param {Entry} entry */
export function describe(entry) {
  const { type, payload, outcome } = entry;
  const about = label(entry);
  if (type === REGISTER) return `Register ${about}`;
  if (type === RENAME) return `Rename ${about} to “${payload?.name ?? outcome?.data?.name}”`;
  if (type === MOVE) return `Move ${about} to ${payload?.category ?? outcome?.data?.category}`;
  return type === CLOSE ? `Close ${about}` : type;
}

/** What is being done to a place, beside its name. @param {Entry} entry */
export function doing({ type }) {
  return { [REGISTER]: "Registering", [RENAME]: "Renaming", [MOVE]: "Moving", [CLOSE]: "Closing" }[type] ?? "Changing";
}

/** @param {Entry} entry @param {string} type */
export const action = (entry, type) => entry.outcome?.actions.find((/** @type {any} */ one) => one.type === type);

/** @typedef {{category: string | null, name: string}} Filter */

/** @param {Filter} filter */
export function listPath({ category, name }) {
  const query = new URLSearchParams({ limit: String(PAGE) });
  if (category) query.set("category", category);
  if (name) query.set("name", name);
  return `/locations?${query}`;
}

/** The address of the list on this page. @param {Filter} filter */
export function listAddress({ category, name }) {
  const query = new URLSearchParams();
  if (category) query.set("category", category);
  if (name) query.set("name", name);
  return query.size ? `/locations?${query}` : "/locations";
}

/** Whether a place belongs into the list. @param {Filter} filter @param {Pick<Location, "name" | "category"> & {closed_at?: string | null}} location */
export function isListed({ category, name }, location) {
  if (location.closed_at || (category && location.category !== category)) return false;
  return `${location.name}`.toLowerCase().startsWith(name.toLowerCase());
}

/** Both the page's path and, below the API, the query's. @param {string} id */
export const detailPath = (id) => `/locations/${encodeURIComponent(id)}`;
