// @ts-check
/**
 * A table that becomes a list of facts where there is no room. The roles are said once more, because
 * a browser takes them away from what is not laid out as a table.
 */
import { h } from "./dom.js";

/** @param {string} labelledby @param {string[]} heads */
export function createTable(labelledby, heads) {
  const body = h("tbody", { role: "rowgroup" });
  const names = h("tr", { role: "row" }, heads.map((head) => h("th", { scope: "col", role: "columnheader" }, head)));
  const table = h("table.table", { role: "table", "aria-labelledby": labelledby }, h("thead", { role: "rowgroup" }, names), body);
  return { table, body };
}

/** The first cell names the row. @param {string} tone @param {string[]} heads @param {any[]} cells */
export function createRow(tone, heads, cells) {
  return h("tr", { role: "row", data: { tone } }, cells.map((cell, i) =>
    i ? h("td", { role: "cell", data: { head: heads[i] } }, cell) : h("th", { scope: "row", role: "rowheader", data: { head: heads[i] } }, cell),
  ));
}
