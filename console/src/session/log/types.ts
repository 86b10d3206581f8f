/**
 * A session's log as screens draw it.
 *
 * Everything here is immutable. An event makes new objects only for what it changes, so a
 * component that is memoized on an item, a turn or `past` is drawn again only when that changes.
 */

import type { Item } from "./itemTypes";
import type { LogEvent, SessionStatus, Unfinished, Usage, Wait } from "./wire";

/** The loaded part of a session's log, folded; it ends with the log's newest event. */
export interface Transcript {
  /** The sequence of the first event that is loaded; 0 if there is none. */
  readonly firstSequence: number;
  /** The sequence of the newest event, from which a reader goes on; 0 if there is none. */
  readonly sequence: number;
  /** Whether nothing comes before what is loaded. */
  readonly isWhole: boolean;
  /** The turns that have ended, oldest first; a new array only when a turn ends or pages come. */
  readonly past: readonly Turn[];
  /** The turn that is open or about to begin. */
  readonly current: Turn | null;
  /** The answer that is being written, which is in no turn yet. */
  readonly draft: Draft | null;
  /** The session's status, as the server shows it. */
  readonly status: SessionStatus;
  /** What happens now. */
  readonly activity: Activity;
  /** The calls that wait for somebody, as the session's `waiting_for` has them. */
  readonly waits: readonly Wait[];
  /** Tokens and money of all that is loaded and belongs to this session: not what it forked. */
  readonly usage: Usage;
  /** What retries have taken out of the conversation. */
  readonly supersessions: readonly Supersession[];
  /** The sequence of the newest `session.forked`: usage counts from there. */
  readonly forkedAt: number;
  /** Events that are missing; what comes after them was not applied. */
  readonly gap: Gap | null;
}

/** Events between two sequences, both excluded, that have not been read. */
export interface Gap {
  readonly after: number;
  readonly before: number;
}

/** The ranges of sequences that a retry has taken out of the conversation. */
export interface Supersession {
  /** The turn that was retried. */
  readonly retriedTurnId: string;
  /** The turn that took its place. */
  readonly turnId: string;
  /** Pairs of the first and the last sequence. */
  readonly ranges: readonly (readonly [number, number])[];
}

/**
 * A turn with all that belongs to it, from the user's message to its end.
 *
 * What comes between two turns, such as the note that a session is a fork, is a turn without id.
 */
export interface Turn {
  /** Stays the same while the turn grows. */
  readonly key: string;
  /** `turn_…`. */
  readonly id: string | null;
  /** The turn that this one retries; the user's messages that it answers are there. */
  readonly retryOf: string | null;
  /** The turn that retried this one: its answers and results are superseded. */
  readonly retriedBy: string | null;
  /** When it began; null before that, and if its beginning is not loaded. */
  readonly startedMs: number | null;
  /** Whether it has begun and not ended. */
  readonly isOpen: boolean;
  readonly items: readonly Item[];
  /** How it ended; null while it has not. */
  readonly outcome: TurnOutcome | null;
  /** Of its answers, compactions and interrupted model calls. */
  readonly usage: Usage;
  /** How many answers the model has given in it. */
  readonly iterations: number;
  /** All its events, oldest first, as they came. */
  readonly events: readonly LogEvent[];
}

/** How a turn ended. */
export type TurnOutcome =
  | {
      readonly kind: "completed";
      readonly atMs: number;
      readonly durationMs: number;
      readonly finalMessageId: string | null;
    }
  | {
      readonly kind: "failed";
      readonly atMs: number;
      readonly code: string;
      /** What went wrong and what to do, in the server's words. */
      readonly message: string;
      readonly unfinished: Unfinished | null;
    }
  | {
      readonly kind: "cancelled";
      readonly atMs: number;
      readonly reason: string | null;
      readonly unfinished: Unfinished | null;
    };

/**
 * The answer that is being written.
 *
 * That of a process which has died stays until another one writes the answer again.
 */
export interface Draft {
  /** The id that the finished message, and the key that its item will have. */
  readonly messageId: string;
  readonly turnId: string | null;
  readonly sinceMs: number;
  readonly text: string;
  readonly reasoning: string;
  /** Code points of `text`. */
  readonly textLength: number;
  /** Code points of `reasoning`. */
  readonly reasoningLength: number;
}

/** What a session does now. */
export type Activity =
  | { readonly kind: "idle" }
  /** The model was asked; `sinceMs` is when. */
  | { readonly kind: "thinking"; readonly sinceMs: number }
  | { readonly kind: "writing"; readonly sinceMs: number }
  | { readonly kind: "compacting"; readonly sinceMs: number }
  /** Calls that run, oldest first; at least one. */
  | { readonly kind: "running"; readonly calls: readonly RunningCall[] }
  /** Calls that go on by themselves at a time, and no others. */
  | { readonly kind: "sleeping"; readonly name: string; readonly untilMs: number }
  /** Somebody is to act, see `waits`; other calls may still run. */
  | { readonly kind: "waiting"; readonly waits: readonly Wait[] }
  | { readonly kind: "failed"; readonly code: string; readonly message: string }
  | { readonly kind: "cancelled" };

/** A call whose tool runs. */
export interface RunningCall {
  readonly callId: string;
  readonly name: string;
  readonly sinceMs: number;
}
