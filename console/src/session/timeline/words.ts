/** What is said of a turn and of its bars. */

import { duration } from "../../parts/formats";
import type { Turn } from "../log/types";

/** What is pointed at. */
export interface Shown {
  readonly name: string;
  readonly startMs: number;
  /** Null while it lasts. */
  readonly endMs: number | null;
  readonly firstTokenMs: number | null;
  readonly note: string | null;
}

const MAX_NAME = 120;

/** Return what is pointed at with its exact times. */
export function describe({ name, startMs, endMs, firstTokenMs, note }: Shown): string {
  const words = [
    name,
    `${moment(startMs)} – ${endMs === null ? "now" : moment(endMs)} UTC`,
    endMs === null ? "goes on" : duration(endMs - startMs),
  ];
  if (firstTokenMs !== null) words.push(`first token after ${duration(firstTokenMs - startMs)}`);
  if (note !== null) words.push(note);
  return words.join(" · ");
}

/** Return by what a turn is known: what its user said. */
export function nameOf(turn: Turn): string {
  const item = turn.items.find(({ kind }) => kind === "user");
  const parts = item?.kind === "user" ? item.message.content : [];
  const text = parts.map((part) => (part.type === "text" ? part.text : `[${part.type}]`)).join(" ");
  const line = text
    .slice(0, MAX_NAME * 2)
    .replaceAll(/\s+/g, " ")
    .trim()
    .slice(0, MAX_NAME);
  if (line !== "") return line;
  return turn.retryOf === null ? "Turn" : "Retry";
}

/** Return how a turn ended, if it did not just complete. */
export function outcomeOf({ outcome, isOpen }: Turn, isWaiting: boolean): string | null {
  if (isOpen) return isWaiting ? "waits" : "running";
  if (outcome?.kind === "failed") return `failed ${outcome.code}`;
  return outcome?.kind === "cancelled" ? "cancelled" : null;
}

function moment(ms: number): string {
  return new Date(ms).toISOString().slice(11, 23);
}
