/** Tokens and money, added up as the server adds them. */

import { isKnown, type LogEvent, type Usage } from "./wire";

/** Nothing used. */
export const NO_USAGE: Usage = { input_tokens: 0, output_tokens: 0 };

const OPTIONAL = ["cache_read_tokens", "cache_creation_tokens", "estimated_cost_usd"] as const;

/** Return what two amounts are together; a number that neither has stays unknown. */
export function sum(one: Usage, other: Usage | null | undefined): Usage {
  if (!other) return one;
  const total: Usage = {
    input_tokens: one.input_tokens + (other.input_tokens ?? 0),
    output_tokens: one.output_tokens + (other.output_tokens ?? 0),
  };
  for (const name of OPTIONAL) {
    const amount = known(one[name], other[name]);
    if (amount !== null) total[name] = amount;
  }
  return total;
}

/** Return what a model call that an event tells of has used. */
export function spentIn(event: LogEvent): Usage | null {
  if (!isKnown(event)) return null;
  switch (event.type) {
    case "message.created":
    case "context.compacted":
      return event.data.usage ?? null;
    case "session.failed":
    case "session.cancelled":
      return event.data.unfinished?.usage ?? null;
    default:
      return null;
  }
}

function known(one: number | null | undefined, other: number | null | undefined): number | null {
  if (one == null) return other ?? null;
  return one + (other ?? 0);
}
