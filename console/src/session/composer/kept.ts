/** What was written and not sent yet, kept over a reload of the page, in this tab alone. */

import { forget, store, stored } from "../../api/storage";

const PREFIX = "everruns.unsent.";

/** Return the unsent text of a session. */
export function keptText(sessionId: string): string {
  return stored("tab", PREFIX + sessionId) ?? "";
}

/** Keep the unsent text of a session. */
export function keepText(sessionId: string, text: string): void {
  if (text === "") forget("tab", PREFIX + sessionId);
  // A text that is larger than the storage would fail at each letter.
  else if (text.length <= 100_000) store("tab", PREFIX + sessionId, text);
}
