// @ts-check
/** Which reactor holds what: a row for each, its partitions as cells that move when they do. */
import { arrange, createKeyed, h } from "./dom.js";
import { duration } from "./times.js";

/** @typedef {import("./watching.js").State} State */
/** @typedef {import("./watching.js").Partition} Partition */

/** Beyond it a row says how many there are, and draws no cells. */
const CELLS_MAX = 512;
const NOBODY = "";

/** @param {number} count @param {string} what */
export const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

/** @param {HTMLElement} place @param {(text: string) => void} say */
export function createReactors(place, say) {
  /** @type {Map<number, HTMLElement>} */
  const cells = new Map();
  const known = createKnown(say);
  const list = h("ul.reactors");
  const none = h("p.empty", "No reactor is running: commands are accepted, and wait.");
  place.replaceChildren(none, list);

  /** @type {Map<string, ReturnType<typeof createRow>>} */
  const rows = new Map();
  /** @param {State} state */
  const draw = ({ reactors, partitions, lease_seconds }) => {
    /** @type {Map<string, Partition[]>} */
    const held = new Map(reactors.map(({ instance }) => [instance, []]));
    for (const one of partitions) {
      const holder = one.holder ?? NOBODY;
      held.set(holder, [...(held.get(holder) ?? []), one]);
    }
    const seen = new Map(reactors.map(({ instance, seen_seconds }) => [instance, seen_seconds]));
    for (const instance of rows.keys()) if (!held.has(instance)) rows.delete(instance);
    for (const [instance, mine] of held) {
      const row = rows.get(instance) ?? createRow(instance);
      rows.set(instance, row);
      row.show(seen.get(instance) ?? Infinity, lease_seconds, mine, cells);
    }
    const order = [...held.keys()].sort((a, b) => Number(a === NOBODY) - Number(b === NOBODY) || a.localeCompare(b));
    arrange(list, order.map((instance) => /** @type {any} */ (rows.get(instance)).element));
    none.hidden = reactors.length > 0;
    known(reactors.map(({ instance }) => instance));
  };
  return { show: draw };
}

/** @param {string} instance */
function createRow(instance) {
  const name = instance === NOBODY ? h("span", "Held by nobody") : h("code", instance);
  const about = h("span.small");
  const box = h("div.cells", { "aria-hidden": "true" });
  const element = h("li", { data: { instance } }, h("div.head", name, about), box);
  return {
    element,
    /** @param {number} seconds @param {number} lease @param {Partition[]} mine @param {Map<number, HTMLElement>} cells */
    show(seconds, lease, mine, cells) {
      const silent = seconds > lease;
      element.dataset.tone = silent || instance === NOBODY ? "late" : "";
      const seen = !silent ? "heard just now" : seconds < Infinity ? `silent for ${duration(seconds * 1000)}: its lease has run out` : "its lease is gone";
      const text = counted(mine.length, "partition") + (instance === NOBODY ? "" : `, ${seen}`);
      if (about.textContent !== text) about.textContent = text;
      arrange(box, mine.slice(0, CELLS_MAX).map((one) => cellOf(one, cells)));
    },
  };
}

/** @param {Partition} partition @param {Map<number, HTMLElement>} cells */
function cellOf({ partition, gap, deaths, holder }, cells) {
  const cell = cells.get(partition) ?? h("i", String(partition));
  cells.set(partition, cell);
  const tone = deaths ? "bad" : gap ? "late" : "";
  if (cell.dataset.tone !== tone) cell.dataset.tone = tone;
  if (cell.dataset.holder !== undefined && cell.dataset.holder !== String(holder)) {
    cell.classList.remove("moved");
    void cell.offsetWidth; // so that the next animation begins anew
    cell.classList.add("moved");
  }
  cell.dataset.holder = String(holder);
  return cell;
}

/** Says who came and who left, once. @param {(text: string) => void} say */
function createKnown(say) {
  /** @type {string[] | undefined} */
  let before;
  return (/** @type {string[]} */ now) => {
    if (before) {
      const came = now.filter((one) => !before?.includes(one)).length;
      const left = before.filter((one) => !now.includes(one)).length;
      if (came) say(`${counted(came, "reactor")} joined; there are ${now.length}.`);
      if (left) say(`${counted(left, "reactor")} left; there are ${now.length}.`);
    }
    before = now;
  };
}
