import { describe, expect, it } from "vitest";
import type { Schemas } from "../src/api/client";
import { cpuShare, perSecond, uptimeMs } from "../src/cluster/rates";

const STARTED = "2026-12-01T00:00:00Z";
const NOTHING: Schemas["Activity"] = {
  input_tokens: 0,
  model_calls: 0,
  output_tokens: 0,
  tool_calls: 0,
  turns_cancelled: 0,
  turns_completed: 0,
  turns_failed: 0,
  turns_started: 0,
};

function actor(modelCalls: number, startedAt = STARTED): Schemas["SessionActorState"] {
  return {
    name: "session-0",
    status: "up",
    sessions: 1,
    size_bytes: 0,
    started_at: startedAt,
    activity: { ...NOTHING, model_calls: modelCalls },
  };
}

describe("the CPU of a process", () => {
  const process = (cpu: number | null, startedAt = STARTED) => ({
    cpu_seconds: cpu,
    started_at: startedAt,
  });

  it("is what it used between two reads", () => {
    expect(cpuShare(process(11), process(10), 2)).toBe(0.5);
  });

  it.each([
    ["it was read once", process(11), undefined, 2],
    ["it was started again", process(11, "2026-12-01T01:00:00Z"), process(10), 2],
    ["no time has passed", process(11), process(10), 0],
    ["it does not say", process(null), process(10), 2],
  ] as const)("is unknown, if %s", (_, now, before, seconds) => {
    expect(cpuShare(now, before, seconds)).toBeUndefined();
  });
});

describe("what an actor does in a second", () => {
  it("is the difference of its totals", () => {
    expect(perSecond(actor(16), actor(10), 2, "model_calls")).toBe(3);
  });

  it("is unknown after it was started again, when its totals begin anew", () => {
    const before = actor(10, "2026-11-30T00:00:00Z");
    expect(perSecond(actor(2), before, 2, "model_calls")).toBeUndefined();
  });
});

it("knows how long a process has run, if it knows when it was started", () => {
  expect(uptimeMs({ started_at: STARTED }, "2026-12-01T00:01:00Z")).toBe(60_000);
  expect(uptimeMs({}, "2026-12-01T00:01:00Z")).toBeUndefined();
});
