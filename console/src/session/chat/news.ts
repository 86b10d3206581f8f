/** How much a reader who has scrolled up has not seen. */

import type { Item } from "../log/itemTypes";
import type { Turn } from "../log/types";

const SHOWN: ReadonlySet<Item["kind"]> = new Set(["user", "answer", "tool_call"]);

/** Return how many messages and calls there are after a sequence. */
export function newSince(sequence: number, past: readonly Turn[], current: Turn | null): number {
  let count = current === null ? 0 : newIn(current, sequence);
  for (let at = past.length - 1; at >= 0; at--) {
    const turn = past[at];
    if (turn === undefined || (turn.events.at(-1)?.sequence ?? 0) <= sequence) break;
    count += newIn(turn, sequence);
  }
  return count;
}

function newIn({ items }: Turn, sequence: number): number {
  return items.filter((item) => item.sequence > sequence && SHOWN.has(item.kind)).length;
}
