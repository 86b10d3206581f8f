/** What the model is shown, in words. */

import type { ModelContext } from "./queries";

type Sourced = Pick<ModelContext["prompts"][number], "source" | "capability_id">;
type Kind = ModelContext["messages"]["data"][number]["kind"];

/** Return where a part of the prompt or a tool comes from. */
export function sourceWords({ source, capability_id }: Sourced): string {
  switch (source) {
    case "agent":
      return "the agent";
    case "session":
      return "the session";
    case "capability":
      return `the capability ${capability_id ?? ""}`.trim();
    case "server":
      return "the server itself";
  }
}

/** Return what a message is for the model, where it is not simply what was said. */
export function kindWords(kind: Kind): string | null {
  switch (kind) {
    case "message":
      return null;
    case "masked":
      return "only an excerpt, since a compaction";
    case "summary":
      return "summary of what came before";
    case "note":
      return "note of the server";
    case "pending":
      return "in place of a result that is not there yet";
  }
}
