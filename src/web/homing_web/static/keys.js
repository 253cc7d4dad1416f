// @ts-check
/** The keys of the page: `/` searches, `n` begins a new location, `Esc` closes what is on top. */

/**
 * @param {(to: string) => Promise<void>} go
 * @param {(() => unknown)[]} closers from the top; the first that closed something returns so
 */
export function listenToKeys(go, closers) {
  addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.key === "Escape") {
      if (!closers.some((close) => close()) && target.id === "search") target.blur();
      return;
    }
    if (target.closest?.("input, select, textarea") || event.metaKey || event.ctrlKey || event.altKey) return;
    if (event.key === "n") go("/locations/new");
    else if (event.key === "/") void focusSearch(go);
    else return;
    event.preventDefault();
  });
}

/** @param {(to: string) => Promise<void>} go */
async function focusSearch(go) {
  if (!document.getElementById("search")) await go("/locations");
  document.getElementById("search")?.focus();
}
