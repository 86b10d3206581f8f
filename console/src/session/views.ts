/** The views of a session. */

export const VIEWS = [
  { name: "chat", words: "Chat" },
  { name: "timeline", words: "Timeline" },
  { name: "events", words: "Events" },
  { name: "files", words: "Files" },
  { name: "context", words: "Context" },
] as const;

export type View = (typeof VIEWS)[number]["name"];

/** Return the view that an address names; the chat if it names none. */
export function viewOf(name: string | undefined): View {
  return VIEWS.find((view) => view.name === name)?.name ?? "chat";
}
