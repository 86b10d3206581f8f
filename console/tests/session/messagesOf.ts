/** The messages of a folded log, as the server lists them. */

import type { Item } from "../../src/session/log/itemTypes";
import type { Transcript } from "../../src/session/log/types";
import type { Message } from "../../src/session/log/wire";

/**
 * Return the loaded messages, oldest first.
 *
 * What retries have taken out is left out, or is marked if it is asked for.
 */
export function messagesOf(
  transcript: Transcript,
  { includeSuperseded = false } = {},
): readonly Message[] {
  const turns = [...transcript.past, ...(transcript.current ? [transcript.current] : [])];
  return turns
    .flatMap((turn) => turn.items)
    .filter((item) => includeSuperseded || !item.isSuperseded)
    .flatMap((item) => messageOf(item) ?? [])
    .sort((one, other) => one.sequence - other.sequence);
}

function messageOf(item: Item): Message | null {
  const message = "message" in item ? item.message : "result" in item ? item.result?.message : null;
  if (!message) return null;
  return item.isSuperseded ? { ...message, superseded: true } : message;
}
