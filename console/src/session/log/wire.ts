/** The wire of `/v1` as the fold reads it: events, messages and their parts. */

import type { Schemas } from "../../api/client";

/** A message, as `GET …/messages` lists it. */
export type Message = Schemas["Message"];
/** A part of a message's content. */
export type ContentPart = Message["content"][number];
/** A part of a tool's result that is more than one JSON value. */
export type ResultPart = NonNullable<Schemas["ToolResultPart"]["parts"]>[number];
/** Tokens, and what they cost as far as that is known. */
export type Usage = Schemas["Usage"];
/** The course of a model call. */
export type Timing = Schemas["Timing"];
/** A call that waits for somebody, as a session's `waiting_for` shows it. */
export type Wait = Schemas["Wait"];
/** A model call that was interrupted or has failed. */
export type Unfinished = Schemas["Unfinished"];
/** Why a call that waited for somebody was not answered. */
export type Unanswered = NonNullable<Schemas["ToolAnswered"]["unanswered"]>;
/** Who decides, or has decided, about a held call. */
export type Decider = Schemas["Decider"];
/** A session's status. */
export type SessionStatus = Schemas["Session"]["status"];

/** A piece of the message that is being written. */
export type DeltaEvent = Schemas["DeltaEvent"];
/** How far a running tool is. */
export type ProgressEvent = Schemas["ToolProgressEvent"];
/** An event that readers are shown and the log does not have. */
export type PassingEvent = DeltaEvent | ProgressEvent;
/** An event of the log of a type that this console knows. */
export type KnownEvent = Exclude<Schemas["Event"], PassingEvent>;
/** The payload of one type of event. */
export type DataOf<Type extends KnownEvent["type"]> = Extract<KnownEvent, { type: Type }>["data"];

/** The largest sequence that the API takes; no log has as many events. */
export const LAST_SEQUENCE = 2 ** 36 - 1;

/** What every event has. */
interface Envelope {
  readonly id: string;
  readonly type: string;
  readonly ts: string;
  readonly session_id: string;
  readonly context: { readonly turn_id?: string | null; readonly input_message_id?: string | null };
  readonly data: unknown;
}

/** An event of the log, of any type: a newer server can have types that are unknown here. */
export interface LogEvent extends Envelope {
  readonly sequence: number;
}

const KNOWN: ReadonlySet<string> = new Set<KnownEvent["type"]>([
  "session.forked",
  "session.started",
  "capabilities.prepared",
  "message.created",
  "tool.call",
  "tool.approval",
  "tool.suspended",
  "tool.resumed",
  "tool.question_closed",
  "tool.result",
  "wait.reminder",
  "context.compacting",
  "context.compacted",
  "session.completed",
  "session.failed",
  "session.cancelled",
]);

const PASSING: ReadonlySet<string> = new Set<PassingEvent["type"]>([
  "message.delta",
  "reasoning.delta",
  "tool.progress",
]);

/** Tell whether an event is of a type whose payload is known. */
export function isKnown(event: LogEvent): event is LogEvent & KnownEvent {
  return KNOWN.has(event.type);
}

/** Tell whether what a stream has brought is an event of the log. */
export function isLogEvent(value: unknown): value is LogEvent {
  return isEnvelope(value) && "sequence" in value && typeof value.sequence === "number";
}

/** Tell whether what a stream has brought is an event that passes by. */
export function isPassingEvent(value: unknown): value is PassingEvent {
  return isEnvelope(value) && PASSING.has(value.type);
}

function isEnvelope(value: unknown): value is Envelope {
  return (
    typeof value === "object" &&
    value !== null &&
    "id" in value &&
    typeof value.id === "string" &&
    "type" in value &&
    typeof value.type === "string" &&
    "data" in value
  );
}
