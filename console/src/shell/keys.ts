/** The keys that work on every screen, outside fields and dialogs. */

import { PLACES, type Place } from "./places";

/** What a key asks for. */
export type Command =
  | { do: "go"; to: Place["to"] }
  | { do: "palette" }
  | { do: "keys" }
  | { do: "search" };

/** The parts of a key press that count. */
export interface Press {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

/** What a key press led to: a command, or the first key of two. */
export interface Outcome {
  command?: Command;
  /** The key that waits for a second one. */
  pending?: string;
}

/**
 * Tell what a key press asks for.
 *
 * @param press - The key with what was held.
 * @param pending - The key before it that waits for a second one.
 * @param isTyping - Whether the key writes into a field, or belongs to a dialog.
 */
export function pressed(press: Press, pending: string | undefined, isTyping: boolean): Outcome {
  if ((press.ctrlKey || press.metaKey) && !press.altKey) {
    return press.key.toLowerCase() === "k" ? { command: { do: "palette" } } : {};
  }
  if (isTyping || press.altKey) return {};
  if (pending === "g") {
    const place = PLACES.flat().find(({ key }) => key === press.key);
    return place === undefined ? {} : { command: { do: "go", to: place.to } };
  }
  if (press.key === "g") return { pending: "g" };
  if (press.key === "?") return { command: { do: "keys" } };
  if (press.key === "/") return { command: { do: "search" } };
  return {};
}
