/** Messages on their way: sent, and not yet in the session's log. */

import type { Schemas } from "../../api/client";
import type { Failure } from "../../api/failures";
import type { UserItem } from "../log/itemTypes";
import type { Transcript } from "../log/types";
import type { Controls } from "../queries";

/** A part of a message as it is sent. */
export type Part = Schemas["TextPartInput"] | Schemas["ImageToAttach"] | Schemas["FileToAttach"];

/** A message on its way. */
export interface Outgoing {
  /** Its `Idempotency-Key`, which stays the same however often it is sent. */
  readonly key: string;
  readonly content: readonly Part[];
  readonly controls: Controls | null;
  /** The newest event when it was sent. */
  readonly afterSequence: number;
  /** Why it could not be sent; null while it is on its way. */
  readonly failure: Failure | null;
  /** Its id, once the server has stored it. */
  readonly messageId: string | null;
}

/** Return the messages that the log does not have yet. */
export function notArrived(
  outbox: readonly Outgoing[],
  transcript: Transcript,
): readonly Outgoing[] {
  if (outbox.length === 0) return outbox;
  const oldest = Math.min(...outbox.map(({ afterSequence }) => afterSequence));
  const found = userItemsAfter(transcript, oldest);
  const claimed = new Set<UserItem>();
  const left = outbox.filter((outgoing) => {
    const item = found.find((each) => !claimed.has(each) && isSame(outgoing, each));
    if (item !== undefined) claimed.add(item);
    return item === undefined;
  });
  return left.length === outbox.length ? outbox : left;
}

/** Return the text of a message. */
export function textOf(content: readonly { type: string; text?: string }[]): string {
  return content
    .flatMap((part) => (part.type === "text" && part.text !== undefined ? [part.text] : []))
    .join("\n\n");
}

function isSame({ messageId, failure, afterSequence, content }: Outgoing, item: UserItem): boolean {
  if (messageId !== null) return item.key === messageId;
  // Its event can be here before the response that has its id.
  return (
    failure === null &&
    item.sequence > afterSequence &&
    content.length === item.message.content.length &&
    textOf(content) === textOf(texts(item))
  );
}

function texts({ message }: UserItem): { type: string; text: string }[] {
  return message.content.flatMap((part) => (part.type === "text" ? [part] : []));
}

function userItemsAfter({ past, current }: Transcript, sequence: number): UserItem[] {
  const turns = current === null ? past : [...past.slice(-20), current];
  return turns
    .slice(-20)
    .flatMap(({ items }) => items)
    .filter((item) => item.kind === "user")
    .filter((item) => item.sequence > sequence);
}
