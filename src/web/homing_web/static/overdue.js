// @ts-check
/**
 * Asks for the status of what has been pending for long: its outcome may be older than what the
 * stream can tell, or no longer be kept. What belongs to a former session cannot be asked for.
 *
 * Where it stands: below client.js, which calls it when the stream has told all it knows.
 */
import { Problem, ask } from "./fetching.js";

export const OLD_MS = 60_000;
export const NEW_SESSION = "This browser has a new session; the outcome belongs to the former one.";
/** So long may pass until a server that has stored a command knows it for certain. */
const UNKNOWN_MS = 10 * 60_000;

/**
 * @param {object} needs
 * @param {string} needs.base
 * @param {ReturnType<typeof import("./ledger.js").createLedger>} needs.ledger
 * @param {string} needs.owner
 * @param {number} needs.ageMs
 * @param {(outcome: any) => void} needs.told
 * @param {(id: string, why: string) => void} needs.gone
 */
export async function askStatus({ base, ledger, owner, ageMs, told, gone }) {
  for (const entry of ledger.open()) {
    if (!entry.commandId) continue;
    if (entry.owner && entry.owner !== owner) {
      gone(entry.id, NEW_SESSION);
      continue;
    }
    const age = Date.now() - entry.at;
    if (age < ageMs) continue;
    const sequence = entry.sequence ? `?seq=${entry.sequence}` : "";
    try {
      const status = await ask(`${base}/commands/${entry.commandId}${sequence}`);
      if (status.status !== "pending") told(status);
    } catch (problem) {
      const code = problem instanceof Problem ? problem.status : 0;
      if (code === 410) gone(entry.id, "Its outcome is no longer kept.");
      if (code === 404 && age > UNKNOWN_MS) gone(entry.id, "The server does not know this command.");
    }
  }
}
