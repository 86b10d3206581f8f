/** Arguments and results of tools as texts. */

import { withVisibleControls } from "../../parts/controls";

/** How much of a call's arguments stands in its line. */
const BRIEF = 120;

/** Return a JSON value over several lines; a text is shown as it is. */
export function shownJson(value: unknown): string {
  if (typeof value === "string") return value;
  return JSON.stringify(value, null, 2) ?? "";
}

/** Return arguments in one line, such as `a=19, b=23`. */
export function briefArguments(values: Readonly<Record<string, unknown>>): string {
  let line = "";
  for (const [name, value] of Object.entries(values)) {
    if (line !== "") line += ", ";
    line += `${name}=${JSON.stringify(value)}`;
    if (line.length > BRIEF) return withVisibleControls(`${line.slice(0, BRIEF)}…`);
  }
  return withVisibleControls(line);
}

/** Return a text as the JSON value that it is, or else as a text. */
export function valueIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
