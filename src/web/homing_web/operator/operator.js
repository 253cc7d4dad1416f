// @ts-check
/** The operators' page: builds the parts, and shows each what the event stream brings. */
import { createFigures } from "./figures.js";
import { createLetters } from "./letters.js";
import { createOutcomes } from "./outcomes.js";
import { createPartitions } from "./partitions.js";
import { createReactors } from "./reactors.js";
import { createRights } from "./rights.js";
import { chooseTheme } from "./theme-choice.js";
import { tick } from "./times.js";
import { watch } from "./watching.js";

/** @param {string} id @returns {any} */
const part = (id) => document.getElementById(id);
/** @param {string} text */
const say = (text) => {
  part("voice").append(Object.assign(document.createElement("p"), { textContent: text }));
  while (part("voice").children.length > 4) part("voice").firstElementChild.remove();
};

const rights = createRights(part("rights"));
const parts = [
  rights,
  createFigures(part("figures")),
  createReactors(part("reactors"), say),
  createPartitions(part("partitions")),
  createLetters(part("letters"), rights, say),
  createOutcomes(part("outcomes")),
];

chooseTheme(part("theme"));
tick();
void watch(part("connection"), (state, changed) => {
  parts.forEach((one) => one.show(state, changed));
  part("seen").hidden = false; // before that nothing is known, and "none" would be a lie
});
