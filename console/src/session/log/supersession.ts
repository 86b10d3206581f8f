/** What retries take out of the conversation. */

import type { Item } from "./itemTypes";
import type { Supersession, Turn } from "./types";
import type { DataOf } from "./wire";

/** Return what the beginning of a turn takes out of the conversation, if it is a retry. */
export function supersessionOf(data: DataOf<"session.started">): Supersession | null {
  if (data.retry_of == null) return null;
  const ranges = (data.superseded ?? []).flatMap(([first, last]) =>
    typeof first === "number" && typeof last === "number" ? [[first, last] as const] : [],
  );
  return { retriedTurnId: data.retry_of, turnId: data.turn_id, ranges };
}

/** Return turns with what a retry has taken out marked; the others stay the same objects. */
export function supersededIn(
  turns: readonly Turn[],
  { retriedTurnId, turnId, ranges }: Supersession,
): Turn[] {
  const earliest = Math.min(...ranges.map(([first]) => first));
  const marked = [...turns];
  // Only the last turns can be concerned.
  for (let at = turns.length - 1; at >= 0; at--) {
    const turn = turns[at];
    if (!turn || (turn.events.at(-1)?.sequence ?? 0) < earliest) break;
    const retriedBy = turn.id === retriedTurnId ? turnId : turn.retriedBy;
    const items = turn.items.map((item) => supersededBy(ranges, item));
    const isAsBefore = items.every((item, place) => item === turn.items[place]);
    if (retriedBy === turn.retriedBy && isAsBefore) continue;
    marked[at] = { ...turn, retriedBy, items: isAsBefore ? turn.items : items };
  }
  return marked;
}

function supersededBy(ranges: Supersession["ranges"], item: Item): Item {
  const isConcerned = ranges.some(
    ([first, last]) => first <= item.sequence && item.sequence <= last,
  );
  return isConcerned && !item.isSuperseded ? { ...item, isSuperseded: true } : item;
}
