// @ts-check
/** Builds elements: what every view needs, and nothing of what they show. */

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * An element: `tag.class`, perhaps properties, children. `on…` properties are listeners, `data` fills
 * the dataset, the rest are attributes. Text is always text: nothing is ever parsed as HTML.
 * @param {string} what
 * @param {...(Child | Child[] | Record<string, any>)} rest
 * @returns {any}
 */
export function h(what, ...rest) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  const [first] = rest;
  const props = first && Object.getPrototypeOf(first) === Object.prototype ? Object(rest.shift()) : {};
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
  element.append(.../** @type {Node[]} */ (rest.flat().filter(Boolean)));
  return element;
}

/**
 * Show exactly these elements, and touch nothing that is in its place: focus and motion survive.
 * @param {HTMLElement} parent
 * @param {HTMLElement[]} elements
 */
export function arrange(parent, elements) {
  for (const child of [...parent.children]) if (!elements.includes(/** @type {any} */ (child))) child.remove();
  elements.forEach((element, i) => {
    if (parent.children[i] !== element) parent.insertBefore(element, parent.children[i] ?? null);
  });
}

/**
 * Elements by key, made anew only when what they show has changed.
 * @template T
 * @param {(item: T, former?: HTMLElement) => HTMLElement} make
 */
export function createKeyed(make) {
  /** @type {Map<string, {as: string, element: HTMLElement}>} */
  let known = new Map();
  /** @param {{key: string, item: T}[]} wanted */
  return (wanted) => {
    const next = new Map();
    for (const { key, item } of wanted) {
      const as = JSON.stringify(item);
      const former = known.get(key);
      next.set(key, former?.as === as ? former : { as, element: make(item, former?.element) });
    }
    known = next;
    return [...known.values()].map(({ element }) => element);
  };
}

/**
 * Show a placeholder only if the wait is long enough to be seen.
 * @template T
 * @param {Promise<T>} promise
 * @param {() => void} show
 * @returns {Promise<T>}
 */
export function patiently(promise, show) {
  const timer = setTimeout(show, 200);
  return promise.finally(() => clearTimeout(timer));
}

/** A button that copies a text. @param {() => string} text */
export function copyButton(text) {
  if (!navigator.clipboard) return null; // no secure origin
  const button = h("button", { type: "button", class: "quiet" }, "Copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text()).then(() => (button.textContent = "Copied"), () => {});
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  return button;
}

/**
 * What went wrong, with a way on.
 * @param {string} title
 * @param {string} detail
 * @param {() => void} again
 */
export function trouble(title, detail, again) {
  return h("div.empty", { role: "alert" },
    h("p.strong", title),
    h("p", detail),
    h("button", { type: "button", onclick: again }, "Try again"),
  );
}
