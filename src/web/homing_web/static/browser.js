// @ts-check
/** What a browser may lack, forbid or call otherwise. Below client.js. */

/** `localStorage`, unless the browser forbids it. */
export function safeStorage() {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
}

/** What is kept under a key; unreadable is as good as a first visit. @param {Storage | undefined} storage @param {string} key */
export function recall(storage, key) {
  try {
    return JSON.parse(storage?.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

/** Keep it; false if there is no room, or none at all. @param {Storage | undefined} storage @param {string} key @param {any} value */
export function keep(storage, key, value) {
  try {
    storage?.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** A UUIDv4, also where the page is no secure context and `crypto.randomUUID` is missing. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
