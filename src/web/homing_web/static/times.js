// @ts-check
/** Says times as people do, and keeps what it has said true while it is on the page. */
import { h } from "./dom.js";

/** @param {number} ms */
export function duration(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  return ms < 3_600_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

/** A moment; the exact time on hover. @param {string | number} at */
export function when(at) {
  const date = new Date(at);
  return h("time", { datetime: date.toISOString(), title: date.toLocaleString() }, spoken(date));
}

/** How long it has been going on. @param {number} at */
export function since(at) {
  return h("span.since", { data: { since: at } }, elapsed(at));
}

/** Keep all times of the page true. */
export function tick() {
  setInterval(() => {
    if (document.hidden) return;
    for (const one of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-since]"))) {
      one.textContent = elapsed(Number(one.dataset.since));
    }
    for (const one of document.querySelectorAll("time")) {
      const text = spoken(new Date(one.dateTime));
      if (one.textContent !== text) one.textContent = text;
    }
  }, 1000);
}

/** @param {number} at */
function elapsed(at) {
  const seconds = Math.floor((Date.now() - at) / 1000);
  return seconds < 60 ? `${Math.max(0, seconds)} s` : duration(seconds * 1000);
}

/** @param {Date} date */
function spoken(date) {
  const seconds = (Date.now() - date.getTime()) / 1000;
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  if (seconds < 7 * 86_400) return `${Math.round(seconds / 86_400)} d ago`;
  return date.toLocaleDateString(undefined, { dateStyle: "medium" });
}
