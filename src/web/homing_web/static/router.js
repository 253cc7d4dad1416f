// @ts-check
/**
 * Paths to views, without a page load. Where it stands: below app.js, above no view.
 *
 * A view is `(place) => {title, element}`; `place` carries the path's parts, the query, and a signal
 * that is aborted when the person moves on.
 */

/** @typedef {{path: string, match: string[], query: URLSearchParams, left: AbortSignal}} Place */
/** @typedef {(place: Place) => {title: string, element: HTMLElement}} View */

/**
 * @param {HTMLElement} main
 * @param {[RegExp, View][]} routes the last one takes everything
 */
export function createRouter(main, routes) {
  let leaving = new AbortController();

  /** @param {boolean} moved whether the person came here by a link, so that focus must follow */
  function show(moved) {
    leaving.abort();
    leaving = new AbortController();
    const path = location.pathname;
    for (const [pattern, view] of routes) {
      const match = pattern.exec(path);
      if (!match) continue;
      const query = new URLSearchParams(location.search);
      const { title, element } = view({ path, match: [...match], query, left: leaving.signal });
      document.title = `${title} · Homing`;
      main.replaceChildren(element);
      break;
    }
    for (const link of document.querySelectorAll("nav a")) {
      const href = link.getAttribute("href") ?? "";
      const here = path === "/" ? "/locations" : path;
      link.setAttribute("aria-current", here === href ? "page" : String(here.startsWith(href)));
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
    show(true);
  }

  addEventListener("popstate", () => show(true));
  document.addEventListener("click", (event) => {
    const link = /** @type {Element} */ (event.target).closest?.("a[href]");
    const plain = !event.defaultPrevented && event.button === 0;
    const modified = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
    if (!(link instanceof HTMLAnchorElement) || !plain || modified || link.target) return;
    const ours = link.origin === location.origin && !link.pathname.startsWith("/api/");
    if (!ours || link.pathname.startsWith("/static/") || link.hash) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });

  return { go, start: () => show(false) };
}
