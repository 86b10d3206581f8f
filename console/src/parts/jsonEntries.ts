/** What is in a value of JSON. */

/** Return the named entries of an object or a list; null of anything else. */
export function entriesOf(value: unknown): [string, unknown][] | null {
  return typeof value === "object" && value !== null ? Object.entries(value) : null;
}

/** Return how an object or a list reads while it is closed. */
export function inBrief(value: unknown, count: number): string {
  if (count === 0) return Array.isArray(value) ? "[]" : "{}";
  return Array.isArray(value) ? `[${count}]` : `{${count}}`;
}
