/** What took time in a turn, read from its events. */

import type { Activity, Turn } from "../log/types";
import { type DataOf, isKnown, type KnownEvent, type LogEvent, type Timing } from "../log/wire";

export type BarKind = "model" | "tool" | "wait" | "compaction";

/** Something that took time. */
export interface Bar {
  readonly key: string;
  readonly kind: BarKind;
  /** What it is, such as "gpt-5" or "add"; of a wait, what is waited for. */
  readonly name: string;
  /** How deep it is: 1 of a model's call, 2 of what the answer led to, 3 of waits in a tool. */
  readonly level: number;
  readonly startMs: number;
  /** Null while it lasts. */
  readonly endMs: number | null;
  /** When the model's first text or reasoning came. */
  readonly firstTokenMs: number | null;
  readonly hasFailed: boolean;
  /** More in words, such as how often the provider was asked. */
  readonly note: string | null;
  /** The event that tells of it; null while there is none. */
  readonly sequence: number | null;
}

/** Return what took time in a turn, in the order in which it is shown. */
export function barsOf(turn: Turn, activity: Activity | null = null): Bar[] {
  const reading = new Reading();
  for (const event of turn.events) if (isKnown(event)) reading.apply(event);
  const live = turn.isOpen && activity !== null ? modelNow(activity, reading.lastMs) : null;
  const bars = reading.bars();
  if (live !== null) bars.push(live);
  const endMs = turn.outcome?.atMs ?? null;
  // What had no end of its own, for instance because its process died, ended with the turn.
  return endMs === null ? bars : bars.map((bar) => ({ ...bar, endMs: bar.endMs ?? endMs }));
}

/** Return from when to when a turn went on. */
export function spanOf(
  turn: Turn,
  bars: readonly Bar[],
  nowMs: number,
): { startMs: number; endMs: number } {
  const [first] = turn.events;
  const startMs = Math.min(
    turn.startedMs ?? Number.POSITIVE_INFINITY,
    first === undefined ? nowMs : Date.parse(first.ts),
    ...bars.map((bar) => bar.startMs),
  );
  const last = turn.outcome?.atMs ?? (turn.isOpen ? nowMs : timeOfLast(turn.events));
  return { startMs, endMs: Math.max(startMs, last, ...bars.map((bar) => bar.endMs ?? startMs)) };
}

function timeOfLast(events: readonly LogEvent[]): number {
  const last = events.at(-1);
  return last === undefined ? 0 : Date.parse(last.ts);
}

/** Return the model's call that goes on now; the log has it when it has ended. */
function modelNow(activity: Activity, lastMs: number): Bar | null {
  if (activity.kind !== "thinking" && activity.kind !== "writing") return null;
  return {
    ...EMPTY_BAR,
    key: "now",
    kind: "model",
    name: activity.kind === "writing" ? "the model writes" : "the model thinks",
    startMs: activity.kind === "writing" ? lastMs : activity.sinceMs,
    firstTokenMs: activity.kind === "writing" ? activity.sinceMs : null,
  };
}

const EMPTY_BAR: Bar = {
  key: "",
  kind: "model",
  name: "",
  level: 1,
  startMs: 0,
  endMs: null,
  firstTokenMs: null,
  hasFailed: false,
  note: null,
  sequence: null,
};

/** A turn's events, read one after another. */
class Reading {
  /** The time of the newest event. */
  lastMs = 0;
  /** What belongs together: the bars of one call, or one other bar. */
  private readonly groups: Bar[][] = [];
  private readonly calls = new Map<string, Bar[]>();

  bars(): Bar[] {
    return this.groups.flat();
  }

  apply(event: KnownEvent): void {
    const atMs = Date.parse(event.ts);
    switch (event.type) {
      case "message.created":
        this.answered(event, atMs);
        break;
      case "session.failed":
      case "session.cancelled":
        this.brokenOff(event.data.unfinished, event.type === "session.failed", event.sequence);
        break;
      case "context.compacting":
        this.add({ kind: "compaction", name: "compaction", startMs: atMs, ...from(event) });
        break;
      case "context.compacted":
        this.compacted(event, atMs);
        break;
      case "tool.approval":
        if (event.data.status === "requested") this.waits(event, "approval", atMs);
        else this.end(event.data.tool_call_id, "wait", atMs);
        break;
      case "tool.call":
        this.called(event, atMs);
        break;
      case "tool.suspended": {
        const sleeps = event.data.resume_after_seconds != null;
        this.waits(event, sleeps ? "its time to go on" : "an answer", atMs);
        break;
      }
      case "tool.resumed":
      case "tool.question_closed":
        this.end(event.data.tool_call_id, "wait", atMs);
        break;
      case "tool.result":
        this.returned(event, atMs);
        break;
    }
    this.lastMs = Math.max(this.lastMs, atMs);
  }

  private answered(
    { data, ...event }: Extract<KnownEvent, { type: "message.created" }>,
    atMs: number,
  ): void {
    if (data.message.role !== "agent") return;
    this.add({
      name: data.model ?? data.message.model ?? "model",
      ...during(data.timing, this.lastMs || atMs, atMs),
      ...from(event),
    });
  }

  private brokenOff(
    unfinished: DataOf<"session.failed">["unfinished"],
    hasFailed: boolean,
    sequence: number,
  ): void {
    if (unfinished?.timing == null) return;
    const { timing, model } = unfinished;
    const times = during(timing, timing.started_ms, timing.ended_ms);
    this.add({ name: model, ...times, hasFailed, key: `${sequence}`, sequence });
  }

  private compacted(event: Extract<KnownEvent, { type: "context.compacted" }>, atMs: number): void {
    const group = this.groups.findLast(([bar]) => bar?.kind === "compaction" && bar.endMs === null);
    const { data } = event;
    const done = {
      endMs: atMs,
      hasFailed: data.error != null,
      note: `${data.strategy}: ${data.tokens_before} tokens became ${data.tokens_after}`,
      sequence: event.sequence,
    };
    const [open] = group ?? [];
    if (group !== undefined && open !== undefined) group[0] = { ...open, ...done };
  }

  private called(event: Extract<KnownEvent, { type: "tool.call" }>, atMs: number): void {
    const { tool_call: call, client_side: isClientSide } = event.data;
    const bars = this.barsOf(call.id);
    const isRunning = bars.some((bar) => bar.kind === "tool" && bar.endMs === null);
    if (isClientSide) {
      this.waits(event, isRunning || call.name === "ask_user" ? "an answer" : "a client", atMs);
      return;
    }
    this.end(call.id, "wait", atMs);
    if (isRunning) return;
    bars.push({
      ...EMPTY_BAR,
      kind: "tool",
      name: call.name,
      level: 2,
      startMs: atMs,
      ...from(event),
    });
  }

  private waits(
    event: Extract<KnownEvent, { type: "tool.approval" | "tool.call" | "tool.suspended" }>,
    forWhat: string,
    atMs: number,
  ): void {
    const { data } = event;
    const [id, name] =
      "tool_call_id" in data
        ? [data.tool_call_id, data.name]
        : [data.tool_call.id, data.tool_call.name];
    const bars = this.barsOf(id);
    const open = bars.findIndex((bar) => bar.kind === "wait" && bar.endMs === null);
    const waiting = `${name} waits for ${forWhat}`;
    const before = bars[open];
    // A suspended tool that then asks waits all the time.
    if (before !== undefined) bars[open] = { ...before, name: waiting };
    else {
      const level = bars.some((bar) => bar.kind === "tool" && bar.endMs === null) ? 3 : 2;
      bars.push({
        ...EMPTY_BAR,
        kind: "wait",
        name: waiting,
        level,
        startMs: atMs,
        ...from(event),
      });
    }
  }

  private returned(event: Extract<KnownEvent, { type: "tool.result" }>, atMs: number): void {
    const { tool_call_id: id, success, error, unanswered } = event.data;
    this.end(id, "wait", atMs, unanswered ?? null);
    this.end(id, "tool", atMs, error ?? null, !success);
  }

  private end(
    callId: string,
    kind: BarKind,
    atMs: number,
    note: string | null = null,
    hasFailed = false,
  ): void {
    const bars = this.barsOf(callId);
    bars.forEach((bar, place) => {
      if (bar.kind === kind && bar.endMs === null) {
        bars[place] = { ...bar, endMs: atMs, hasFailed, note };
      }
    });
  }

  private barsOf(callId: string): Bar[] {
    let bars = this.calls.get(callId);
    if (bars === undefined) {
      bars = [];
      this.calls.set(callId, bars);
      this.groups.push(bars);
    }
    return bars;
  }

  private add(bar: Partial<Bar>): void {
    this.groups.push([{ ...EMPTY_BAR, ...bar }]);
  }
}

/** Return the fields that tie a bar to its event. */
function from({ sequence }: { sequence: number }): Pick<Bar, "key" | "sequence"> {
  return { key: `${sequence}`, sequence };
}

/** Return when a model's call was: as measured, or, in old logs, since the event before. */
function during(timing: Timing | null | undefined, sinceMs: number, untilMs: number) {
  if (timing == null) return { startMs: sinceMs, endMs: untilMs };
  return {
    startMs: timing.started_ms,
    endMs: timing.ended_ms,
    firstTokenMs: timing.first_token_ms ?? null,
    note: timing.attempts > 1 ? `asked ${timing.attempts} times` : null,
  };
}
