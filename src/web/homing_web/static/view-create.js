// @ts-check
/** The create page: a form, and below its button the way of the command that it sent. */
import { Problem } from "./client.js";
import { said } from "./activity-panel.js";
import { h, loop } from "./dom.js";
import { chosenOptions, keepOptions, localErrors, locationFields, readOptions, showErrors, waitFields } from "./form.js";
import { REGISTER } from "./locations.js";

const STATIONS = ["Sent", "Accepted", "Decided", "Home"];
const REACHED = { sending: 1, retrying: 0, accepted: 2, late: 2, succeeded: 4, rejected: 4, failed: 4, refused: 1 };

/**
 * @param {ReturnType<typeof import("./client.js").createClient>} client
 * @param {ReturnType<typeof import("./activity.js").createActivity>} activity
 * @param {ReturnType<typeof import("./toasts.js").createToasts>} toasts
 * @param {(to: string) => void} go
 * @returns {import("./router.js").View}
 */
export function createCreateView(client, activity, toasts, go) {
  return ({ query, left }) => {
    const former = activity.find(query.get("from") ?? "");
    const send = h("button", { type: "submit", class: "button" }, "Register");
    const complaint = h("p", { class: "error", role: "alert", hidden: true });
    const way = h("div", { class: "way", hidden: true });
    const waits = waitFields(readOptions());
    const form = h("form", { novalidate: true, class: "create" }, locationFields(former?.payload ?? {}), waits, complaint, send, way);
    let current = "";

    client.session().then(
      ({ demo }) => (waits.querySelector(".demo").hidden = !demo),
      () => {}, // without a session the connection bar says so; only the demo switch is missing
    );

    const complain = (/** @type {string[]} */ texts) => {
      complaint.textContent = texts.join(" ");
      complaint.hidden = !texts.length;
    };
    /** @param {Record<string, string>} errors @param {string} [otherwise] */
    const object = (errors, otherwise = "") => {
      if (errors.timeout || errors.delay) waits.open = true;
      const homeless = showErrors(form, errors);
      complain(homeless.length || !otherwise || Object.keys(errors).length ? homeless : [otherwise]);
    };
    const draw = () => {
      const entry = activity.list().find((one) => one.id === current);
      if (!entry) return;
      send.disabled = ["sending", "accepted"].includes(entry.state);
      way.replaceChildren(...wayOf(entry));
      way.hidden = false;
    };
    /** What is said at the form need not be said twice. */
    const quiet = () => toasts.close(current);
    activity.watch(draw, left);
    const off = client.on("submitted", ({ submission }) => (current ||= submission.id));
    left.addEventListener("abort", off);

    form.addEventListener("submit", async (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      object({});
      const wrong = localErrors(form);
      if (Object.keys(wrong).length) return object(wrong);
      const options = chosenOptions(form);
      keepOptions(options);
      const { name, category, description } = Object.fromEntries(new FormData(form));
      const delay = options.slow && !waits.querySelector(".demo").hidden ? options.delay : 0;
      current = ""; // the next `submitted` is this one
      try {
        const sending = client.submit(REGISTER, { name, category, description }, { ...options, delay });
        way.scrollIntoView({ block: "nearest" });
        const answer = await sending;
        if (left.aborted) return; // the person has moved on; the toast tells
        const redirect = answer.actions?.find((/** @type {any} */ action) => action.type === "redirect");
        if (answer.status === "succeeded" && redirect) go(redirect.to);
        if (answer.status === "rejected" || answer.status === "failed") quiet();
        if (answer.status === "rejected") object(answer.error.fields ?? {}, answer.error.detail || answer.error.title);
        if (answer.status === "failed") complain([`The command failed. Quote its id: ${answer.command_id}`]);
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        const errors = Object.fromEntries(problem.errors.map(({ field, detail }) => [field, detail]));
        object(errors, problem.message);
      }
      draw();
    });

    const element = h("section", {}, h("h1", {}, "New location"), form);
    return { title: "New location", element };
  };
}

/** The stations of the way, as far as they have really been reached. @param {import("./activity.js").Entry} entry */
function wayOf(entry) {
  const reached = REACHED[/** @type {"sending"} */ (entry.state)] ?? 0;
  const note = entry.state === "late" ? "It will be available shortly. You can go on, we will tell you here." : said(entry);
  return [
    h(
      "ol",
      { class: "stations", data: { state: entry.state }, "aria-hidden": "true" },
      STATIONS.map((text, i) => h("li", { class: i < reached ? "reached" : "" }, text)),
    ),
    h("p", { class: "note" }, loop(entry.state), h("span", {}, note)),
  ];
}
