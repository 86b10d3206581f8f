/** Turns in stretches, so that one that grows has few neighbours to be laid out again with it. */

import type { Turn } from "../log/types";

/** Turns that begin near each other in the log. */
export interface Stretch {
  readonly key: number;
  readonly turns: Turn[];
}

/** How many events begin in the same stretch. */
const EVENTS = 256;

/** Return turns in stretches. A turn stays in its own, whatever comes before or after it. */
export function stretchesOf(turns: readonly Turn[]): Stretch[] {
  const stretches: Stretch[] = [];
  for (const turn of turns) {
    const key = Math.floor((turn.events[0]?.sequence ?? 0) / EVENTS);
    const stretch = stretches.at(-1);
    if (stretch?.key === key) stretch.turns.push(turn);
    else stretches.push({ key, turns: [turn] });
  }
  return stretches;
}
