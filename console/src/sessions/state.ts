/** What a session does, in words. */

import { waitsIn } from "../parts/waits";
import type { Session } from "./queries";

/** A session's state, and how much it asks for somebody's attention. */
export interface SessionState {
  words: string;
  tone: "quiet" | "busy" | "waits" | "bad";
}

/** Return what a session does or how its last turn ended. */
export function stateOf(session: Session): SessionState {
  const waits = waitsIn(session);
  if (waits !== "") return { words: `waits for ${waits}`, tone: "waits" };
  switch (session.status) {
    case "started":
      return { words: "new", tone: "quiet" };
    case "active":
      return { words: "running", tone: "busy" };
    case "waitingfortoolresults":
      return { words: "waits", tone: "waits" };
    case "idle":
      return idle(session);
  }
}

function idle({ last_outcome: outcome }: Session): SessionState {
  if (outcome === "failed") return { words: "failed", tone: "bad" };
  if (outcome === "cancelled") return { words: "cancelled", tone: "quiet" };
  return { words: "idle", tone: "quiet" };
}
