// @ts-check
/** Partitions that wait or have trouble, the oldest first; all of them if one wants to see them. */
import { arrange, createKeyed, h } from "./dom.js";
import { createRow, createTable } from "./table.js";
import { duration } from "./times.js";

/** @typedef {import("./watching.js").Partition} Partition */

const HEADS = ["Partition", "Holder", "Lag", "Gap", "Checkpoint", "Epoch"];

/** @param {HTMLElement} place */
export function createPartitions(place) {
  const all = h("input", { type: "checkbox", role: "switch", id: "all-partitions" });
  const { table, body } = createTable("h-partitions", HEADS);
  const none = h("p.muted.none");
  place.replaceChildren(h("label.inline", { for: "all-partitions" }, all, "Also those that do not wait"), none, table);
  const keyed = createKeyed(rowOf);
  /** @type {Partition[]} */
  let partitions = [];

  const draw = () => {
    const wanted = all.checked ? partitions : partitions.filter((one) => one.gap || one.deaths || one.suspect !== null || one.holder === null);
    const sorted = [...wanted].sort((a, b) => (b.oldest_seconds ?? 0) - (a.oldest_seconds ?? 0) || a.partition - b.partition);
    const rows = keyed(sorted.map((item) => ({ key: String(item.partition), item })));
    arrange(body, rows);
    none.hidden = rows.length > 0;
    none.textContent = partitions.some((one) => one.gap === null) ? "What waits is not known." : "None waits, and none has trouble.";
    table.hidden = !rows.length;
  };
  all.addEventListener("change", draw);
  return {
    /** @param {import("./watching.js").State} state @param {Set<string>} changed */
    show(state, changed) {
      if (!changed.has("partitions")) return;
      ({ partitions } = state);
      draw();
    },
  };
}

/** @param {Partition} one */
function rowOf({ partition, holder, epoch, checkpoint, deaths, suspect, gap, oldest_seconds }) {
  const trouble = deaths ? `${deaths} holder${deaths === 1 ? "" : "s"} died` : suspect === null ? "" : `suspect ${suspect}`;
  return createRow(deaths || holder === null ? "bad" : gap ? "late" : "", HEADS, [
    String(partition),
    [holder === null ? "nobody" : h("code", holder), trouble && h("span.error", trouble)],
    gap ? duration((oldest_seconds ?? 0) * 1000) : "–",
    gap === null ? "unknown" : String(gap),
    String(checkpoint),
    String(epoch),
  ]);
}
