/** How values of an answer read in a table. */

const FIGURES = /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|DECIMAL.*)$/;
// Longer values are cut in the table; a copy has all of it.
const LENGTH = 200;

/** Tell whether a column has numbers, which are aligned to the right. */
export function isFigure(type: string): boolean {
  return FIGURES.test(type);
}

/** Return a value as text, all of it. */
export function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Return a value in one short line. */
export function lineOf(value: unknown): string {
  const text = textOf(value).replaceAll(/\s+/g, " ");
  return text.length > LENGTH ? `${text.slice(0, LENGTH)}…` : text;
}
