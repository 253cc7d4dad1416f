// @ts-check
/** One row of the list: a location, or a command whose location is not there yet. */
import { h } from "./dom.js";
import { loop } from "./line.js";
import { detailPath, doing } from "./locations.js";
import { since, when } from "./times.js";

/** @typedef {import("./client.js").Entry} Entry */
/** @typedef {import("./locations.js").Location} Location */
/** @typedef {{location: Location, doing?: Entry, fresh?: boolean}} Shown */

/** @type {Record<string, string>} */
const ENDED = { rejected: "Rejected", failed: "Failed", refused: "Not accepted", gone: "Outcome unknown" };

/** @type {Record<string, string>} */
const ON_ITS_WAY = { sending: "Sending", retrying: "Not sent yet", accepted: "On its way", late: "Shortly" };

/** A location, with what is being done to it. @param {Shown} shown */
export function locationRow({ location: { location_id, name, category, registered_at }, doing: entry, fresh }) {
  const aside = entry ? [loop(entry.state), h("span", `${doing(entry)} `, since(entry.at))] : [when(registered_at)];
  return h(
    "li",
    { class: fresh ? "fresh" : "" },
    h("a", { href: detailPath(location_id) }, name),
    h("span.tag", category),
    h("span.aside", aside),
  );
}

/** A registration on its way, in the place where its location will be. @param {Entry} entry */
export function waitingRow(entry) {
  const { id, state, payload, at } = entry;
  const ended = ENDED[state];
  const again = h("a.again", { href: `/locations/new?from=${id}` }, "Edit");
  return h("li.waiting", { data: { state } },
    h("span.strong", payload.name),
    h("span.tag", payload.category),
    h("span.aside", loop(state), ended ? h("span", `${ended} `, again) : h("span", `${ON_ITS_WAY[state]}, `, since(at))),
  );
}
