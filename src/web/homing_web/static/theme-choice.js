// @ts-check
/** The theme switch; theme.js applies what it remembers before the first paint. */

/** @param {HTMLSelectElement} select */
export function chooseTheme(select) {
  const root = document.documentElement;
  select.value = root.dataset.theme ?? "system";
  select.addEventListener("change", () => {
    root.dataset.theme = select.value;
    try {
      localStorage.setItem("homing.theme", select.value);
    } catch {
      // Chosen for this page only.
    }
  });
}
