/** The items that events begin. */

import type { Moment } from "./calls";
import type {
  AnswerItem,
  CompactionItem,
  EventItem,
  ForkItem,
  StructuredOutput,
  UserItem,
} from "./itemTypes";
import type { DataOf, Message } from "./wire";

type Answered = DataOf<"message.created"> & {
  readonly without_images?: readonly string[];
  readonly without_messages?: readonly string[];
};

/** Return a user's message. */
export function userItem(message: Message, steers: boolean, moment: Moment): UserItem {
  return { kind: "user", ...begun(message.id, moment), message, steers };
}

/** Return a model's answer. */
export function answerItem(data: Answered, moment: Moment): AnswerItem {
  const { message } = data;
  return {
    kind: "answer",
    ...begun(message.id, moment),
    message,
    text: message.content.map((part) => (part.type === "text" ? part.text : "")).join(""),
    reasoning: message.thinking ?? null,
    output: outputOf(message),
    model: message.model ?? data.model ?? null,
    usage: data.usage ?? null,
    timing: data.timing ?? null,
    finishReason: data.finish_reason ?? null,
    isIncomplete: message.metadata?.incomplete === true,
    withoutImages: data.without_images ?? [],
    withoutMessages: data.without_messages ?? [],
  };
}

/** Return a compaction that begins. */
export function compactionItem(data: DataOf<"context.compacting">, moment: Moment): CompactionItem {
  return {
    kind: "compaction",
    ...begun(moment.event.id, moment),
    state: "running",
    reason: data.reason,
    strategy: data.strategy,
    messagesBefore: data.messages_before,
    tokensBefore: data.tokens_before,
    messagesAfter: null,
    tokensAfter: null,
    summary: null,
    model: null,
    usage: null,
    durationMs: null,
    error: null,
  };
}

/** Return a compaction that is done. */
export function compacted(
  compaction: CompactionItem,
  data: DataOf<"context.compacted">,
): CompactionItem {
  return {
    ...compaction,
    state: "done",
    strategy: data.strategy,
    messagesAfter: data.messages_after,
    tokensAfter: data.tokens_after,
    summary: data.summary ?? null,
    model: data.model ?? null,
    usage: data.usage ?? null,
    durationMs: data.duration_ms,
    error: data.error ?? null,
  };
}

/** Return the note that what comes before it was copied. */
export function forkItem(data: DataOf<"session.forked">, moment: Moment): ForkItem {
  return {
    kind: "fork",
    ...begun(moment.event.id, moment),
    sourceSessionId: data.forked_from_session_id,
    sourceSequence: data.forked_from_sequence,
  };
}

/** Return an event as it is. */
export function eventItem(moment: Moment): EventItem {
  return { kind: "event", ...begun(moment.event.id, moment), event: moment.event };
}

function begun(key: string, { event, atMs }: Moment) {
  return { key, sequence: event.sequence, atMs, isSuperseded: false };
}

function outputOf(message: Message): StructuredOutput | null {
  const part = message.content.find((each) => each.type === "output");
  if (!part) return null;
  if (part.error != null) return { kind: "error", error: part.error };
  return { kind: "value", value: part.value ?? null };
}
