import { describe, expect, it } from "vitest";
import { EMPTY, withListed } from "../src/session/log/fold";
import type { Transcript, Turn } from "../src/session/log/types";
import type { LogEvent } from "../src/session/log/wire";
import { axesOf, placeOf } from "../src/session/timeline/axis";
import { type Bar, barsOf, spanOf } from "../src/session/timeline/bars";
import { describe as inWords, nameOf, outcomeOf } from "../src/session/timeline/words";

const NOTHING = { startMs: 0, endMs: 0, lengthMs: 1 };
const START = Date.parse("2026-01-31T10:00:00.000Z");
const TURN = "turn_1";

/** Returns events, each of so many milliseconds after the start. */
function log(...given: (readonly [ms: number, type: string, data: unknown])[]): LogEvent[] {
  return given.map(([ms, type, data], place) => ({
    id: `event_${place + 1}`,
    type,
    ts: new Date(START + ms).toISOString(),
    session_id: "session_1",
    sequence: place + 1,
    context: { turn_id: TURN },
    data,
  }));
}

function turnOf(...given: Parameters<typeof log>): Turn {
  const { past, current } = withListed(EMPTY, log(...given));
  const turn = current ?? past[0];
  if (turn === undefined) throw new Error("the events have no turn");
  return turn;
}

function message(role: string, id: string, more: object = {}) {
  const content = [{ type: "text", text: "Hello" }];
  return { message: { id, session_id: "session_1", role, content }, ...more };
}

const ASKED = [0, "message.created", message("user", "message_1")] as const;
const BEGUN = [1, "session.started", { turn_id: TURN, input_message_id: "message_1" }] as const;
const timing = (from: number, first: number, until: number, attempts = 1) => ({
  started_ms: START + from,
  first_token_ms: START + first,
  ended_ms: START + until,
  attempts,
  provider: "simulated",
});
const answer = (id: string, from: number, until: number) =>
  [
    until,
    "message.created",
    message("agent", id, { model: "gpt", timing: timing(from, from + 20, until) }),
  ] as const;
const call = (ms: number, id: string, more: object = {}) =>
  [
    ms,
    "tool.call",
    { tool_call: { id, name: "add", arguments: {} }, message_id: "message_2", ...more },
  ] as const;
const result = (ms: number, id: string, more: object = {}) =>
  [
    ms,
    "tool.result",
    { tool_call_id: id, name: "add", success: true, result: 1, duration_ms: 1, ...more },
  ] as const;
const approval = (ms: number, status: string) =>
  [ms, "tool.approval", { tool_call_id: "call_1", name: "add", status }] as const;
const ended = (ms: number) =>
  [ms, "session.completed", { turn_id: TURN, iterations: 1, duration_ms: ms }] as const;

/** What a test looks at: each bar with its times after the start. */
function seen(bars: readonly Bar[]) {
  return bars.map(({ kind, name, level, startMs, endMs }) => [
    kind,
    name,
    level,
    startMs - START,
    endMs === null ? null : endMs - START,
  ]);
}

describe("The bars of a turn", () => {
  it("are its model calls and below each the tools that it called", () => {
    const turn = turnOf(
      ASKED,
      BEGUN,
      answer("message_2", 5, 100),
      call(101, "call_1"),
      call(102, "call_2"),
      result(110, "call_2"),
      result(150, "call_1"),
      answer("message_3", 155, 200),
      ended(201),
    );
    expect(seen(barsOf(turn))).toEqual([
      ["model", "gpt", 1, 5, 100],
      ["tool", "add", 2, 101, 150],
      ["tool", "add", 2, 102, 110],
      ["model", "gpt", 1, 155, 200],
    ]);
  });

  it("mark the first token and say how often the provider was asked", () => {
    const tried = message("agent", "message_2", { model: "gpt", timing: timing(5, 60, 100, 3) });
    const [bar] = barsOf(turnOf(ASKED, BEGUN, [100, "message.created", tried], ended(101)));
    expect(bar?.firstTokenMs).toBe(START + 60);
    expect(bar?.note).toBe("asked 3 times");
  });

  it("begin a model call of an old log, which was not measured, at the event before", () => {
    const old = message("agent", "message_2", { model: "gpt" });
    const turn = turnOf(ASKED, BEGUN, [100, "message.created", old], ended(101));
    expect(seen(barsOf(turn))).toEqual([["model", "gpt", 1, 1, 100]]);
  });

  it("show the wait for an approval before the tool that was held", () => {
    const turn = turnOf(
      ASKED,
      BEGUN,
      answer("message_2", 5, 100),
      approval(101, "requested"),
      approval(900, "allowed"),
      call(901, "call_1"),
      result(910, "call_1"),
      ended(911),
    );
    expect(seen(barsOf(turn)).slice(1)).toEqual([
      ["wait", "add waits for approval", 2, 101, 900],
      ["tool", "add", 2, 901, 910],
    ]);
  });

  it("show what a running tool asked within it", () => {
    const turn = turnOf(
      ASKED,
      BEGUN,
      answer("message_2", 5, 100),
      call(101, "call_1"),
      [110, "tool.suspended", { tool_call_id: "call_1", name: "add" }],
      call(111, "call_1", { client_side: true }),
      [500, "tool.resumed", { tool_call_id: "call_1", name: "add" }],
      call(501, "call_1", { resumed: true }),
      result(510, "call_1"),
      ended(511),
    );
    expect(seen(barsOf(turn)).slice(1)).toEqual([
      ["tool", "add", 2, 101, 510],
      ["wait", "add waits for an answer", 3, 110, 500],
    ]);
  });

  it("show a client-side call as a wait", () => {
    const turn = turnOf(
      ASKED,
      BEGUN,
      answer("message_2", 5, 100),
      call(101, "call_1", { client_side: true }),
    );
    expect(seen(barsOf(turn)).slice(1)).toEqual([["wait", "add waits for a client", 2, 101, null]]);
  });

  it("mark a tool that failed", () => {
    const turn = turnOf(
      ASKED,
      BEGUN,
      answer("message_2", 5, 100),
      call(101, "call_1"),
      result(110, "call_1", { success: false, error: "no such number" }),
    );
    expect(barsOf(turn)[1]).toMatchObject({ hasFailed: true, note: "no such number" });
  });

  it("have the model call with which a turn broke off", () => {
    const unfinished = { model: "gpt", timing: timing(5, 20, 90) };
    const failed = { turn_id: TURN, error: { code: "X", message: "no" }, unfinished };
    const turn = turnOf(ASKED, BEGUN, [100, "session.failed", failed]);
    expect(barsOf(turn)).toMatchObject([{ kind: "model", hasFailed: true, endMs: START + 90 }]);
  });

  it("end with a turn that has ended without them", () => {
    const cancelled = [200, "session.cancelled", { turn_id: TURN }] as const;
    const turn = turnOf(ASKED, BEGUN, answer("message_2", 5, 100), call(101, "call_1"), cancelled);
    expect(barsOf(turn)[1]?.endMs).toBe(START + 200);
  });

  it("have what the model does now, while the turn runs", () => {
    const turn = turnOf(ASKED, BEGUN);
    const bars = barsOf(turn, { kind: "writing", sinceMs: START + 70 });
    expect(bars).toMatchObject([
      { kind: "model", startMs: START + 1, firstTokenMs: START + 70, endMs: null, sequence: null },
    ]);
  });

  it("have keys of their own", () => {
    const turn = turnOf(
      ASKED,
      BEGUN,
      answer("message_2", 5, 100),
      approval(101, "requested"),
      approval(102, "allowed"),
      call(103, "call_1"),
      result(104, "call_1"),
      ended(105),
    );
    const keys = barsOf(turn).map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe("Recorded logs", () => {
  const logs = import.meta.glob<{ events: LogEvent[] }>("../../tests/contract/logs/*.json", {
    eager: true,
    import: "default",
  });
  const recorded = Object.entries(logs).filter(([, { events }]) => Array.isArray(events));

  it("are there", () => expect(recorded.length).toBeGreaterThan(5));

  it.each(recorded)("have no bar outside of its turn: %s", (_, { events }) => {
    const { past, current }: Transcript = withListed(EMPTY, events);
    for (const turn of current === null ? past : [...past, current]) {
      const bars = barsOf(turn);
      const span = spanOf(turn, bars, Date.parse(events.at(-1)?.ts ?? ""));
      for (const bar of bars) {
        expect(bar.startMs).toBeGreaterThanOrEqual(span.startMs);
        expect(bar.endMs ?? span.endMs).toBeGreaterThanOrEqual(bar.startMs);
        expect(bar.endMs ?? span.endMs).toBeLessThanOrEqual(span.endMs);
        if (!turn.isOpen) expect(bar.endMs).not.toBeNull();
      }
    }
  });
});

describe("The axis", () => {
  const spans = [
    { startMs: 1000, endMs: 1100 },
    { startMs: 90_000, endMs: 90_300 },
  ];

  it("is filled by each turn on the scale of turns", () => {
    const axes = axesOf(spans, "turn");
    expect(axes.map((axis, at) => placeOf(spans[at] ?? NOTHING, axis))).toEqual([
      { start: 0, length: 100 },
      { start: 0, length: 100 },
    ]);
  });

  it("leaves out pauses between turns on the scale of the session", () => {
    const axes = axesOf(spans, "session");
    expect(axes.map((axis, at) => placeOf(spans[at] ?? NOTHING, axis))).toEqual([
      { start: 0, length: 25 },
      { start: 25, length: 75 },
    ]);
  });

  it("has room for a turn that took no time", () => {
    const instant = { startMs: 5, endMs: 5 };
    const [axis] = axesOf([instant], "turn");
    expect(placeOf(instant, axis ?? NOTHING)).toEqual({ start: 0, length: 0 });
  });
});

describe("A turn that has not ended", () => {
  const turn = turnOf(ASKED, BEGUN);

  it("is running", () => {
    expect(outcomeOf(turn, false)).toBe("running");
  });

  it("waits while somebody is to act", () => {
    expect(outcomeOf(turn, true)).toBe("waits");
  });
});

describe("What is pointed at", () => {
  it("is told with its exact times", () => {
    const bar = { name: "gpt", startMs: START, endMs: START + 1300, note: "asked 2 times" };
    expect(inWords({ ...bar, firstTokenMs: START + 210 })).toBe(
      "gpt · 10:00:00.000 – 10:00:01.300 UTC · 1.3 s · first token after 210 ms · asked 2 times",
    );
  });

  it("is a turn by what its user said", () => {
    expect(nameOf(turnOf(ASKED, BEGUN))).toBe("Hello");
  });
});
