/** Which events of a log are shown, as the address says. */

import type { SessionSearch } from "../../searches";
import type { KnownEvent, LogEvent } from "../log/wire";

export type EventType = KnownEvent["type"];

/** Types by what they tell of. */
export const GROUPS: readonly { name: string; types: readonly EventType[] }[] = [
  {
    name: "Turns",
    types: [
      "session.started",
      "session.completed",
      "session.failed",
      "session.cancelled",
      "session.forked",
    ],
  },
  { name: "Messages", types: ["message.created"] },
  { name: "Tools", types: ["tool.call", "tool.result", "tool.suspended", "tool.resumed"] },
  { name: "Waits", types: ["tool.approval", "tool.question_closed", "wait.reminder"] },
  { name: "Context", types: ["capabilities.prepared", "context.compacting", "context.compacted"] },
];

const TYPES = GROUPS.flatMap(({ types }) => types);

/** What the server is asked for. */
export interface EventFilter {
  /** Empty for all. */
  readonly types: readonly EventType[];
  readonly turnId: string | null;
}

/** Return the filter that an address names. Invalid parts are left out. */
export function filterIn({ type, turn }: SessionSearch): EventFilter {
  const named = new Set(type?.split(","));
  return {
    types: TYPES.filter((known) => named.has(known)),
    turnId: turn !== undefined && /^turn_[0-9a-f]{32}$/.test(turn) ? turn : null,
  };
}

/** Return the sequence of the event that an address opens. */
export function openedIn({ event }: SessionSearch): number | null {
  const sequence = Number(event);
  return Number.isInteger(sequence) && sequence >= 1 ? sequence : null;
}

/** Return the address's form of types. */
export function typesInAddress(types: readonly EventType[]): string | undefined {
  return types.length === 0 ? undefined : types.join(",");
}

/** Tell whether a filter lets an event through. */
export function passes(event: LogEvent, { types, turnId }: EventFilter): boolean {
  const isWanted = types.length === 0 || types.some((type) => type === event.type);
  return isWanted && (turnId === null || event.context.turn_id === turnId);
}

const texts = new WeakMap<LogEvent, string>();

/** Tell whether the JSON of an event contains a text, without regard to case. */
export function contains(event: LogEvent, text: string): boolean {
  if (text === "") return true;
  let json = texts.get(event);
  if (json === undefined) {
    json = JSON.stringify(event).toLowerCase();
    texts.set(event, json);
  }
  return json.includes(text.toLowerCase());
}
