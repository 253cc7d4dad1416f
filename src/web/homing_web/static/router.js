// @ts-check
/**
 * Paths to views, without a page load. Where it stands: below app.js, above no view.
 *
 * A view is fetched when it is shown for the first time.
 *
 * A view is `(place) => {title, element}`; `place` carries the path's parts, the query, and a signal
 * that is aborted when the person moves on.
 */

import { trouble } from "./dom.js";

/** @typedef {{path: string, match: string[], query: URLSearchParams, left: AbortSignal}} Place */
/** @typedef {(place: Place) => {title: string, element: HTMLElement}} View */

/**
 * @param {HTMLElement} main
 * @param {[RegExp, () => Promise<View>][]} routes the last one takes everything
 */
export function createRouter(main, routes) {
  let leaving = new AbortController();

  /** @param {boolean} moved whether the person came here by a link, so that focus must follow */
  async function show(moved) {
    leaving.abort();
    const here = (leaving = new AbortController());
    const path = location.pathname;
    const [pattern, load] = /** @type {[RegExp, () => Promise<View>]} */ (routes.find(([one]) => one.test(path)));
    const view = await load().catch(() => brokenView);
    if (here.signal.aborted) return;
    const match = [.../** @type {string[]} */ (pattern.exec(path))];
    const { title, element } = view({ path, match, query: new URLSearchParams(location.search), left: here.signal });
    document.title = `${title} · Homing`;
    main.replaceChildren(element);
    for (const link of document.querySelectorAll("nav a")) {
      const href = link.getAttribute("href") ?? "";
      link.setAttribute("aria-current", path === href ? "page" : String(path === "/" || path.startsWith(href)));
    }
    if (!moved) return;
    scrollTo(0, 0);
    const heading = main.querySelector("h1");
    heading?.setAttribute("tabindex", "-1");
    heading?.focus({ preventScroll: true });
  }

  /** @param {string} to a path of this origin */
  function go(to) {
    history.pushState(null, "", to);
    return show(true);
  }

  addEventListener("popstate", () => show(true));
  document.addEventListener("click", (event) => {
    const link = /** @type {Element} */ (event.target).closest?.("a");
    const plain = !(event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (!link || !plain || link.origin !== location.origin || link.hash || link.pathname.startsWith("/api/")) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });

  return { go, start: () => show(false) };
}

/** What could not be fetched now: only a reload makes a browser try again. @type {View} */
function brokenView() {
  const detail = "The server does not answer. What you have sent is kept.";
  return { title: "Not there", element: trouble("This page cannot be loaded at the moment.", detail, () => location.reload()) };
}
