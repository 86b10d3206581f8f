import { describe, expect, it } from "vitest";
import { neighboursOf } from "../src/session/events/Events";
import { contains, filterIn, openedIn, passes, typesInAddress } from "../src/session/events/filter";
import { newerThan } from "../src/session/events/log";
import { summaryOf, weightOf } from "../src/session/events/summary";
import { EMPTY, withListed } from "../src/session/log/fold";
import type { LogEvent } from "../src/session/log/wire";

const TURN = `turn_${"a".repeat(32)}`;
const ALL = { types: [], turnId: null };

function event(sequence: number, type: string, data: unknown, turn = TURN): LogEvent {
  return {
    id: `event_${sequence}`,
    type,
    ts: "2026-01-31T10:00:00.000Z",
    session_id: "session_1",
    sequence,
    context: { turn_id: turn },
    data,
  };
}

const started = (sequence: number) =>
  event(sequence, "session.started", { turn_id: TURN, input_message_id: "message_1" });
const completed = (sequence: number) =>
  event(sequence, "session.completed", { turn_id: TURN, iterations: 1, duration_ms: 5 });

describe("The filter of events", () => {
  it("is the same after a way through the address", () => {
    const filter = filterIn({ type: "tool.result,tool.call", turn: TURN });
    expect(filter).toEqual({ types: ["tool.call", "tool.result"], turnId: TURN });
    const type = typesInAddress(filter.types) ?? "";
    expect(filterIn({ type, turn: TURN })).toEqual(filter);
  });

  it("is without what makes no sense in an address", () => {
    expect(filterIn({ type: "message.delta,x", turn: "turn_1" })).toEqual(ALL);
    expect(openedIn({ event: "0" })).toBeNull();
    expect(openedIn({ event: "seven" })).toBeNull();
    expect(openedIn({ event: "7" })).toBe(7);
  });

  it("lets through what has its type and its turn", () => {
    expect(passes(started(1), { types: ["session.started"], turnId: TURN })).toBe(true);
    expect(passes(started(1), { types: ["tool.call"], turnId: null })).toBe(false);
    expect(passes(started(1), { types: [], turnId: "turn_other" })).toBe(false);
  });

  it("finds a text anywhere in the JSON, without regard to case", () => {
    const failed = event(1, "session.failed", { error: { code: "NO_MODEL", message: "ä" } });
    expect(contains(failed, "no_model")).toBe(true);
    expect(contains(failed, "Ä")).toBe(true);
    expect(contains(failed, "nothing")).toBe(false);
  });
});

describe("New events", () => {
  const transcript = withListed(EMPTY, [
    started(1),
    completed(2),
    started(3),
    completed(4),
    started(5),
  ]);

  it("are those of the followed log beyond what was read", () => {
    const sequences = (after: number) =>
      newerThan(after, transcript, ALL).map(({ sequence }) => sequence);
    expect(sequences(0)).toEqual([1, 2, 3, 4, 5]);
    expect(sequences(2)).toEqual([3, 4, 5]);
    expect(sequences(3)).toEqual([4, 5]);
    expect(sequences(5)).toEqual([]);
  });

  it("pass the filter too", () => {
    const filter = { types: ["session.completed" as const], turnId: null };
    expect(newerThan(2, transcript, filter).map(({ sequence }) => sequence)).toEqual([4]);
  });
});

describe("An event in one line", () => {
  it("says what failed", () => {
    const failed = event(1, "session.failed", {
      error: { code: "NO_MODEL", message: "Name one." },
    });
    expect(summaryOf(failed)).toBe("NO_MODEL: Name one.");
    expect(weightOf(failed)).toBe("bad");
  });

  it("is one line however long the text", () => {
    const content = [{ type: "text", text: "a\nb ".repeat(1000) }];
    const line = summaryOf(event(1, "message.created", { message: { role: "user", content } }));
    expect(line).not.toContain("\n");
    expect(line.length).toBeLessThanOrEqual(201);
  });

  it("shows the data of a type that a newer server has", () => {
    expect(summaryOf(event(1, "moon.risen", { full: true }))).toBe('{"full":true}');
  });
});

describe("The neighbours of an event", () => {
  const rows = [{ sequence: 2 }, { sequence: 5 }, { sequence: 9 }];

  it("are the shown ones before and after it, also if it is not shown itself", () => {
    expect(neighboursOf(5, rows)).toEqual({ before: 2, after: 9 });
    expect(neighboursOf(7, rows)).toEqual({ before: 5, after: 9 });
    expect(neighboursOf(2, rows)).toEqual({ before: null, after: 5 });
  });
});
