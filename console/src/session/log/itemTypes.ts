/** What a turn consists of: messages, calls, compactions and other events. */

import type { ToolCallItem } from "./callTypes";
import type { ItemBase } from "./itemBase";
import type { LogEvent, Message, Timing, Usage } from "./wire";

/** One thing in a turn, in the order of the log. */
export type Item = UserItem | AnswerItem | ToolCallItem | CompactionItem | ForkItem | EventItem;

/** A user's message; its text, images and files are the parts of `message.content`. */
export interface UserItem extends ItemBase {
  readonly kind: "user";
  readonly message: Message;
  /** Whether it came while a turn was running. */
  readonly steers: boolean;
}

/** A model's answer. Its key is that of the draft it was. Its calls are items of their own. */
export interface AnswerItem extends ItemBase {
  readonly kind: "answer";
  readonly message: Message;
  readonly text: string;
  readonly reasoning: string | null;
  readonly output: StructuredOutput | null;
  readonly model: string | null;
  readonly usage: Usage | null;
  readonly timing: Timing | null;
  readonly finishReason: string | null;
  /** Whether it broke off, because the turn was cancelled or failed. */
  readonly isIncomplete: boolean;
  /** Ids of the messages whose images the model refused. */
  readonly withoutImages: readonly string[];
  /** Ids of the messages that the model refused. */
  readonly withoutMessages: readonly string[];
}

/** The value of a structured answer, or what is wrong with the answer. */
export type StructuredOutput =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "error"; readonly error: string };

/** A compaction of the conversation, for the model alone. */
export interface CompactionItem extends ItemBase {
  readonly kind: "compaction";
  /** `abandoned`: its turn ended before it was done. */
  readonly state: "running" | "done" | "abandoned";
  readonly reason: "proactive_budget" | "request_too_large";
  readonly strategy: "observation_masking" | "summarization" | "trim";
  readonly messagesBefore: number;
  readonly tokensBefore: number;
  readonly messagesAfter: number | null;
  readonly tokensAfter: number | null;
  readonly summary: string | null;
  readonly model: string | null;
  readonly usage: Usage | null;
  readonly durationMs: number | null;
  /** Why there is no summary, if it failed. */
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** What comes before it was copied from another session. */
export interface ForkItem extends ItemBase {
  readonly kind: "fork";
  readonly sourceSessionId: string;
  readonly sourceSequence: number;
}

/** An event that has no form of its own here, or a type that a newer server has. */
export interface EventItem extends ItemBase {
  readonly kind: "event";
  readonly event: LogEvent;
}
