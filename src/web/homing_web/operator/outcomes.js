// @ts-check
/** The newest verdicts, of everybody; without what they say. */
import { arrange, createKeyed, h } from "./dom.js";
import { createRow, createTable } from "./table.js";
import { duration, when } from "./times.js";

/** @typedef {import("./watching.js").Outcome} Outcome */

const HEADS = ["Type", "Status", "Key", "Took", "When", "Partition"];
/** @type {Record<string, string>} */
const TONES = { rejected: "late", failed: "bad" };

/** @param {HTMLElement} place */
export function createOutcomes(place) {
  const { table, body } = createTable("h-outcomes", HEADS);
  const none = h("p.muted.none", "There is none yet.");
  place.replaceChildren(none, table);
  const keyed = createKeyed(rowOf);
  return {
    /** @param {import("./watching.js").State} state @param {Set<string>} changed */
    show({ outcomes }, changed) {
      if (!changed.has("outcomes")) return;
      arrange(body, keyed(outcomes.map((item) => ({ key: item.command_id, item }))));
      none.hidden = outcomes.length > 0;
      table.hidden = !outcomes.length;
    },
  };
}

/** @param {Outcome} one */
function rowOf({ type, key, status, partition, recorded_at, took_ms, error }) {
  return createRow(TONES[status] ?? "", HEADS, [
    h("code", type),
    [h("span.verdict", status), error && h("span.small", ` ${error}`)],
    h("code", key),
    took_ms === null ? "–" : duration(took_ms),
    when(recorded_at),
    String(partition),
  ]);
}
