// @ts-check
/**
 * Server-sent events out of text that comes in pieces, by the rules of WHATWG HTML. Pure.
 *
 * Where it stands: below stream.js. Other than an EventSource it also tells a block that has an id
 * and no data (the server's primer: all history is told) and a comment (the server lives).
 */

/** @typedef {{name: string, data: string | null, id: string}} Block data is null if there was none */

/**
 * @param {(block: Block) => void} onBlock
 * @param {(ms: number) => void} onRetry
 * @returns {(text: string) => void} takes the next piece
 */
export function createParser(onBlock, onRetry) {
  let rest = "";
  let name = "";
  let id = "";
  let identified = false;
  /** @type {string[]} */
  let data = [];

  /** @param {string} line */
  function take(line) {
    if (line === "") return end();
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") name = value;
    else if (field === "data") data.push(value);
    else if (field === "id" && !value.includes("\0")) [id, identified] = [value, true];
    else if (field === "retry" && /^\d+$/.test(value)) onRetry(Number(value));
  }

  function end() {
    if (data.length || identified) {
      onBlock({ name: name || "message", data: data.length ? data.join("\n") : null, id });
    }
    [name, data, identified] = ["", [], false];
  }

  return (text) => {
    rest += text;
    // A CR at the end of a piece may be the first half of a CRLF: it waits for the next one.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    lines.forEach(take);
  };
}
