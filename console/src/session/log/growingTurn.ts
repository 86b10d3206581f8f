/** A turn while events are applied to it. */

import {
  abandoned,
  approved,
  called,
  type Moment,
  questionClosed,
  reminded,
  resumed,
  returned,
  suspended,
  unstarted,
} from "./calls";
import type { ToolCallItem } from "./callTypes";
import { answerItem, compacted, compactionItem, eventItem, forkItem, userItem } from "./items";
import type { CompactionItem, Item } from "./itemTypes";
import type { Turn, TurnOutcome } from "./types";
import { NO_USAGE, spentIn, sum } from "./usage";
import { type DataOf, isKnown, type KnownEvent, type LogEvent } from "./wire";

interface NamedCall {
  readonly tool_call_id: string;
  readonly name: string;
}

/** Return a turn that begins with an event. */
function emptyTurn(first: LogEvent): Turn {
  const id = first.context.turn_id ?? null;
  return {
    key: id ?? first.id,
    id,
    retryOf: null,
    retriedBy: null,
    startedMs: null,
    // A turn whose beginning is not loaded is open, too.
    isOpen: id !== null && !isFirstInput(first),
    items: [],
    outcome: null,
    usage: NO_USAGE,
    iterations: 0,
    events: [],
  };
}

/** Applies events to a copy of a turn; items that no event changes stay the same objects. */
export class GrowingTurn {
  private readonly fields: { -readonly [Name in keyof Turn]: Turn[Name] };
  private readonly items: Item[];
  private readonly events: LogEvent[];

  constructor(turn: Turn) {
    this.fields = { ...turn };
    this.items = [...turn.items];
    this.events = [...turn.events];
  }

  /** Begin the turn to which an event belongs; it is still to be applied. */
  static beginningWith(event: LogEvent): GrowingTurn {
    return new GrowingTurn(emptyTurn(event));
  }

  /** Return the turn as it is now. */
  get turn(): Turn {
    return { ...this.fields, items: this.items, events: this.events };
  }

  /** Whether it has ended, so that what comes next belongs to another one. */
  get isOver(): boolean {
    return this.fields.outcome !== null || this.items.at(-1)?.kind === "fork";
  }

  /** Apply the next event. */
  apply(event: LogEvent): void {
    this.events.push(event);
    this.fields.id ??= event.context.turn_id ?? null;
    this.fields.usage = sum(this.fields.usage, spentIn(event));
    const moment = { event, atMs: Date.parse(event.ts) };
    if (isKnown(event)) this.take(event, moment);
    else this.items.push(eventItem(moment));
  }

  /** Show how far a call is; returns whether that is something new. */
  progress(callId: string, message: string): boolean {
    const at = this.placeOf(callId);
    const call = this.items[at];
    if (call?.kind !== "tool_call" || call.result || call.progress === message) return false;
    this.items[at] = { ...call, progress: message };
    return true;
  }

  private take(event: LogEvent & KnownEvent, moment: Moment): void {
    switch (event.type) {
      case "session.forked":
        this.items.push(forkItem(event.data, moment));
        break;
      case "session.started":
        this.fields.id = event.data.turn_id;
        this.fields.retryOf = event.data.retry_of ?? null;
        this.fields.startedMs = moment.atMs;
        this.fields.isOpen = true;
        break;
      case "message.created":
        this.said(event.data, moment);
        break;
      case "tool.call":
        this.change(nameOf(event.data.tool_call), moment, (call) =>
          called(call, event.data, moment),
        );
        break;
      case "tool.approval":
        this.change(event.data, moment, (call) => approved(call, event.data, moment));
        break;
      case "tool.suspended":
        this.change(event.data, moment, (call) => suspended(call, event.data, moment));
        break;
      case "tool.resumed":
        this.change(event.data, moment, (call) => resumed(call, event.data, moment));
        break;
      case "tool.question_closed":
        this.change(event.data, moment, (call) => questionClosed(call, event.data, moment));
        break;
      case "wait.reminder":
        this.change(event.data, moment, (call) => reminded(call, event.data));
        break;
      case "tool.result":
        this.change(event.data, moment, (call) => returned(call, event.data, moment));
        break;
      case "context.compacting":
        this.items.push(compactionItem(event.data, moment));
        break;
      case "context.compacted":
        this.compacted(event.data, moment);
        break;
      case "session.completed":
      case "session.failed":
      case "session.cancelled":
        this.end(outcomeOf(event, moment.atMs), moment);
        break;
      case "capabilities.prepared":
        this.items.push(eventItem(moment));
        break;
    }
  }

  private said(data: DataOf<"message.created">, moment: Moment): void {
    const { message } = data;
    if (message.role === "user") {
      const steers = this.fields.isOpen && !isFirstInput(moment.event);
      this.items.push(userItem(message, steers, moment));
      return;
    }
    this.items.push(answerItem(data, moment));
    this.fields.iterations += 1;
    const refusals = refusedCalls(data);
    for (const part of message.content) {
      if (part.type !== "tool_call") continue;
      this.items.push({
        ...unstarted(part.id, part.name, moment),
        arguments: part.arguments ?? {},
        messageId: message.id,
        refusal: refusals[part.id] ?? null,
      });
    }
  }

  private compacted(data: DataOf<"context.compacted">, moment: Moment): void {
    const at = this.items.findLastIndex(isRunningCompaction);
    const begun = this.items[at];
    if (begun?.kind === "compaction") this.items[at] = compacted(begun, data);
    else this.items.push(compacted(compactionItem(data, moment), data));
  }

  private end(outcome: TurnOutcome, moment: Moment): void {
    this.fields.outcome = outcome;
    this.fields.isOpen = false;
    for (const [at, item] of this.items.entries()) {
      if (item.kind === "tool_call" && item.result === null) {
        this.items[at] = abandoned(item, moment);
      } else if (isRunningCompaction(item)) {
        this.items[at] = { ...item, state: "abandoned" };
      }
    }
  }

  /** Replace a call by what an event makes of it; the answer that made it may not be loaded. */
  private change(
    { tool_call_id, name }: NamedCall,
    moment: Moment,
    change: (call: ToolCallItem) => ToolCallItem,
  ): void {
    const at = this.placeOf(tool_call_id);
    const call = this.items[at];
    if (call?.kind === "tool_call") this.items[at] = change(call);
    else this.items.push(change(unstarted(tool_call_id, name, moment)));
  }

  private placeOf(callId: string): number {
    return this.items.findLastIndex((item) => item.kind === "tool_call" && item.key === callId);
  }
}

function nameOf({ id, name }: { id: string; name: string }): NamedCall {
  return { tool_call_id: id, name };
}

/** Tell whether an event is the user's message with which a turn begins. */
function isFirstInput(event: LogEvent): boolean {
  if (!isKnown(event) || event.type !== "message.created") return false;
  const { message } = event.data;
  return message.role === "user" && message.id === event.context.input_message_id;
}

function isRunningCompaction(item: Item): item is CompactionItem {
  return item.kind === "compaction" && item.state === "running";
}

/** Return why calls of an answer must not run, by their ids. */
function refusedCalls(data: object): Readonly<Record<string, string>> {
  if (!("refused_calls" in data) || typeof data.refused_calls !== "object") return {};
  return Object.fromEntries(
    Object.entries(data.refused_calls ?? {}).filter(([, why]) => typeof why === "string"),
  );
}

function outcomeOf(
  event: Extract<KnownEvent, { type: `session.${"completed" | "failed" | "cancelled"}` }>,
  atMs: number,
): TurnOutcome {
  switch (event.type) {
    case "session.completed": {
      const { duration_ms, final_message_id } = event.data;
      const finalMessageId = final_message_id ?? null;
      return { kind: "completed", atMs, durationMs: duration_ms, finalMessageId };
    }
    case "session.failed": {
      const { error, unfinished } = event.data;
      return { kind: "failed", atMs, ...error, unfinished: unfinished ?? null };
    }
    case "session.cancelled": {
      const { reason, unfinished } = event.data;
      return {
        kind: "cancelled",
        atMs,
        reason: reason ?? null,
        unfinished: unfinished ?? null,
      };
    }
  }
}
