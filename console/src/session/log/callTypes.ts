/** Tool calls and what becomes of them: results, approvals, questions. */

import type { ItemBase } from "./itemBase";
import type { Decider, Message, ResultPart, Unanswered, Wait } from "./wire";

/**
 * What a call does.
 *
 * - `requested`: it is about to run, to be held or to be asked;
 * - `held`: it waits for an approval;
 * - `running`: its tool runs;
 * - `asking`: it waits for the user's answers, see `questions`;
 * - `with_client`: it waits for the result of a client, as a client-side tool;
 * - `suspended`: its tool has suspended it and is about to ask;
 * - `sleeping`: its tool goes on at `sleepsUntilMs`;
 * - `ended`: it has its result;
 * - `abandoned`: its turn ended without a result.
 */
export type ToolCallState =
  | "requested"
  | "held"
  | "running"
  | "asking"
  | "with_client"
  | "suspended"
  | "sleeping"
  | "ended"
  | "abandoned";

/** A tool call with all that became of it. Its key is the call's id. */
export interface ToolCallItem extends ItemBase {
  readonly kind: "tool_call";
  readonly name: string;
  /** Null if the event that has them is not loaded. */
  readonly arguments: Readonly<Record<string, unknown>> | null;
  /** The answer that made the call; null if that is not known. */
  readonly messageId: string | null;
  readonly state: ToolCallState;
  /** When its state last changed. */
  readonly sinceMs: number;
  /** How often its tool was started; more than once after a crash or a suspension. */
  readonly runs: number;
  /** Why it must not run, in words for the model. */
  readonly refusal: string | null;
  /** How far it is, in the tool's words; only while it is shown live. */
  readonly progress: string | null;
  readonly sleepsUntilMs: number | null;
  readonly approval: Approval | null;
  /** What it has asked the user, oldest first. */
  readonly questions: readonly QuestionRound[];
  /** Whether a client runs it. */
  readonly isClientSide: boolean;
  /** For what it waits now: kind, since when, deadline, who decides. */
  readonly wait: Wait | null;
  /** The event that asked for what it waits for; 0 if it does not wait. */
  readonly askedSequence: number;
  /** Whether the time of its wait is over, and it keeps waiting. */
  readonly isOverdue: boolean;
  readonly result: ToolCallResult | null;
}

/** The result of a call. */
export interface ToolCallResult {
  /** The message that the result is in the conversation. */
  readonly message: Message;
  readonly atMs: number;
  readonly succeeded: boolean;
  /** The JSON value, unless there are `parts` or an `error`. */
  readonly value: unknown;
  readonly parts: readonly ResultPart[] | null;
  readonly error: string | null;
  readonly durationMs: number;
  /** Why nobody answered, if it waited for somebody. */
  readonly unanswered: Unanswered | null;
}

/** That a call was held, and what was decided. */
export interface Approval {
  /** `closed`: the call ended without a decision. */
  readonly state: "requested" | "allowed" | "rejected" | "closed";
  readonly requestedMs: number | null;
  /** Who is to decide. */
  readonly decider: Decider["kind"];
  readonly decidedBy: Decider | null;
  readonly decidedMs: number | null;
  /** Whether the decision counts for the tool's later calls too. */
  readonly isForAlways: boolean;
  readonly reason: string | null;
}

/** Questions that a call asked together, and what came of them. */
export interface QuestionRound {
  readonly questions: readonly Question[];
  readonly askedMs: number;
  /** Null while they are open, and if nobody answered. */
  readonly answers: QuestionAnswers | null;
  /** Why nobody answered. */
  readonly unanswered: Unanswered | null;
  readonly isOpen: boolean;
}

/** A question, answered by choosing options or in the user's own words. */
export interface Question {
  readonly id: string;
  readonly question: string;
  readonly kind: "choice" | "text";
  readonly options: readonly QuestionOption[];
  readonly isMultiSelect: boolean;
}

/** An answer to choose from. */
export interface QuestionOption {
  readonly label: string;
  readonly description: string | null;
  readonly isRecommended: boolean;
}

/** The answers to a round of questions. */
export interface QuestionAnswers {
  readonly status: "answered" | "declined" | "timed_out";
  readonly answers: readonly {
    readonly id: string;
    readonly selected: readonly string[];
    readonly otherText: string | null;
  }[];
}
