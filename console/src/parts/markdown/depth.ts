/** How deep quotations and lists are nested. */

// The parser's time grows faster than the square of the depth, and its stack has an end.
const MARKS = /^(?:[ \t]*(?:>|(?:[-+*]|\d{1,9}[.)])(?=[ \t]))){33}/m;
// An item of a list is at least two columns deeper than the one that it is in.
const COLUMNS = /^[ \t]{65,}(?:>|(?:[-+*]|\d{1,9}[.)])[ \t])/m;

/** Tell whether quotations or lists of a text are nested deeper than anybody means them to be. */
export function isTooDeep(text: string): boolean {
  return MARKS.test(text) || COLUMNS.test(text);
}
