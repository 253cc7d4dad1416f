// @ts-check
/** The figures that are read first, each with what it means in words. */
import { arrange, createKeyed, h } from "./dom.js";
import { duration } from "./times.js";
import { counted } from "./reactors.js";

/** @typedef {import("./watching.js").State} State */
/** @typedef {{name: string, figure: string, note: string, tone: string}} Figure */

/** @param {HTMLElement} list */
export function createFigures(list) {
  const keyed = createKeyed((/** @type {Figure} */ { name, figure, note, tone }) =>
    h("div", { data: { tone } }, h("dt", name), h("dd", h("b", figure), h("span", note))),
  );
  return {
    /** @param {State} state */
    show: (state) => arrange(list, keyed(figuresOf(state).map((item) => ({ key: item.name, item })))),
  };
}

/** @param {State} state @returns {Figure[]} */
function figuresOf({ rates, lag, lag_unknown, reactors, lease_seconds, partitions, letters_open, letters_more }) {
  const { accepted, succeeded, rejected, failed } = rates;
  const ended = succeeded === null ? null : succeeded + (rejected ?? 0) + (failed ?? 0);
  const live = new Set(reactors.filter(({ seen_seconds }) => seen_seconds <= lease_seconds).map(({ instance }) => instance));
  const silent = reactors.length - live.size;
  const unheld = partitions.filter(({ holder }) => holder === null || !live.has(holder)).length;
  return [
    { name: "Accepted", figure: rate(accepted), note: "commands per second", tone: "" },
    { name: "Ended", figure: rate(ended), note: `rejected ${rate(rejected)}, failed ${rate(failed)}`, tone: failed ? "bad" : "" },
    {
      name: "Lag",
      figure: lag ? duration(lag.oldest_seconds * 1000) : "unknown",
      note: lag ? (lag.gap ? `${lag.gap} unapplied in ${counted(lag.partitions, "partition")}` : "all is applied") : (lag_unknown ?? ""),
      tone: !lag || lag.oldest_seconds >= 10 ? "late" : "",
    },
    { name: "Reactors", figure: String(live.size), note: silent ? `${silent} silent` : "all are heard", tone: silent || !reactors.length ? "bad" : "" },
    { name: "Unheld", figure: String(unheld), note: `of ${partitions.length} partitions`, tone: unheld ? "late" : "" },
    { name: "Dead letters", figure: `${letters_open}${letters_more ? "+" : ""}`, note: "not discarded", tone: letters_open ? "bad" : "" },
  ];
}

/** @param {number | null} value */
const rate = (value) => (value === null ? "–" : value.toFixed(value < 10 ? 1 : 0));
