// @ts-check
/** The page for a path that leads nowhere. */
import { h } from "./dom.js";

/** @type {import("./router.js").View} */
export function missingView({ path }) {
  const element = h(
    "section",
    h("h1", "Not found"),
    h("p.prose", "Nothing lives at ", h("code", path), ". The line ends here."),
    h("p.onward", h("a.button", { href: "/locations" }, "To the locations")),
  );
  return { title: "Not found", element };
}
