/** What sessions wait for, in words. */

import type { Schemas } from "../api/client";

/** Return what a session waits for; nothing if it does not wait. */
export function waitsIn(session: Schemas["Session"]): string {
  const [first, ...others] = session.waiting_for ?? [];
  if (first === undefined) return "";
  const more = others.length === 0 ? "" : ` and ${others.length} more`;
  return `${waitWords(first)}${more}`;
}

function waitWords(wait: Schemas["Wait"]): string {
  switch (wait.type) {
    case "approval":
      return `approval of ${wait.name}`;
    case "question":
      return "an answer";
    case "tool_call":
      return `the result of ${wait.name}`;
  }
}
