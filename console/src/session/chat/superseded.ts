/** What a retry has taken out of the conversation, kept together. */

import type { Item } from "../log/itemTypes";

/** Items that follow each other and are all in the conversation, or all out of it. */
export interface Run {
  readonly key: string;
  readonly isSuperseded: boolean;
  readonly items: Item[];
}

/** Return the items of a turn in runs. */
export function runsOf(items: readonly Item[]): Run[] {
  const runs: Run[] = [];
  for (const item of items) {
    const run = runs.at(-1);
    if (run?.isSuperseded === item.isSuperseded) run.items.push(item);
    else runs.push({ key: item.key, isSuperseded: item.isSuperseded, items: [item] });
  }
  return runs;
}
