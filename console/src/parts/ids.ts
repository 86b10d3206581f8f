/** Ids of objects that have a screen of their own. */

/** An object with a screen, and its id. */
export interface Identified {
  kind: "session" | "agent";
  id: string;
}

/** Return the session or agent whose id a text is, whole and alone. */
export function identified(text: string): Identified | undefined {
  const [, kind] = /^(session|agent)_[0-9a-f]{32}$/.exec(text) ?? [];
  return kind === "session" || kind === "agent" ? { kind, id: text } : undefined;
}
