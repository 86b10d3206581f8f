import { describe, expect, it } from "vitest";
import type { Schemas } from "../src/api/client";
import { figureOf, sorted } from "../src/usage/figures";
import { changed, periodOf, searchOf } from "../src/usage/period";
import { drawing, measureOf, rowsByPart, stacked } from "../src/usage/series";

const NOW = new Date("2026-12-01T13:45:00Z");

function row(changes: Partial<Schemas["UsageRow"]>): Schemas["UsageRow"] {
  return {
    model_calls: 0,
    input_tokens: 0,
    output_tokens: 0,
    cache_read_tokens: 0,
    cache_creation_tokens: 0,
    cost_usd: null,
    unpriced_calls: 0,
    turns: null,
    failed_turns: null,
    cancelled_turns: null,
    turn_p50_ms: null,
    turn_p95_ms: null,
    tool_calls: null,
    failed_tool_calls: null,
    ...changes,
  };
}

describe("the period of an address", () => {
  it("is 30 days until now, if the address says nothing", () => {
    const period = periodOf({}, NOW);
    expect(period).toMatchObject({ name: "30d", from: "2026-11-02", to: undefined, unit: "day" });
    expect(period.parts).toHaveLength(30);
    expect(period.parts.at(-1)).toBe("2026-12-01");
  });

  it("is the named one", () => {
    expect(periodOf({ period: "7d" }, NOW)).toMatchObject({ name: "7d", first: "2026-11-25" });
  });

  it("is 30 days for a name that there is not", () => {
    expect(periodOf({ period: "constructor" }, NOW).name).toBe("30d");
  });

  it("has hours until now, if it is today", () => {
    const { unit, parts } = periodOf({ period: "1d" }, NOW);
    expect(unit).toBe("hour");
    expect(parts).toHaveLength(14);
    expect(parts.at(-1)).toBe("2026-12-01T13:00:00.000Z");
  });

  it("includes its last day, which the API leaves out", () => {
    const period = periodOf({ from: "2026-10-30", to: "2026-11-02" }, NOW);
    expect(period).toMatchObject({ name: undefined, from: "2026-10-30", to: "2026-11-03" });
    expect(period.parts).toEqual(["2026-10-30", "2026-10-31", "2026-11-01", "2026-11-02"]);
  });

  it("ends today, if it would end later", () => {
    expect(periodOf({ from: "2026-11-20", to: "2027-01-01" }, NOW)).toMatchObject({
      last: "2026-12-01",
      to: undefined,
    });
  });

  it.each([
    { from: "yesterday" },
    { from: "2026-13-40" },
    { from: "2027-01-01" },
    { from: "2026-11-30", to: "2026-11-01" },
  ])("is 30 days, if %j is no period", (search) => {
    expect(periodOf(search, NOW).name).toBe("30d");
  });

  it("has no more days than the API reports", () => {
    expect(periodOf({ from: "2001-01-01" }, NOW).parts).toHaveLength(400);
  });

  it("comes back from the address that it was written to", () => {
    const period = periodOf(searchOf("2026-11-09", "2026-11-03"), NOW);
    expect(period).toMatchObject({ first: "2026-11-03", last: "2026-11-09" });
  });

  it("loses from its address what a change takes away", () => {
    const before = { from: "2026-11-03", to: "2026-11-09", group: "model" };
    expect(changed(before, { period: "7d", from: undefined, to: undefined })).toEqual({
      period: "7d",
      group: "model",
    });
  });
});

describe("what the chart draws", () => {
  const parts = ["2026-11-29", "2026-11-30", "2026-12-01"];
  const rows = rowsByPart(
    [
      row({ day: "2026-12-01", input_tokens: 30, output_tokens: 3, turns: 5, failed_turns: 2 }),
      row({ day: "2026-11-29", input_tokens: 10, output_tokens: 1, turn_p50_ms: 70 }),
    ],
    parts,
    "day",
  );

  it("has a value for each day, 0 where nothing was used", () => {
    const [input, output] = drawing("tokens", rows).series;
    expect(input?.values).toEqual([10, 0, 30]);
    expect(output?.values).toEqual([1, 0, 3]);
  });

  it("has a gap where no duration is known", () => {
    expect(drawing("time", rows).series[0]?.values).toEqual([70, null, null]);
  });

  it("counts no failed turn twice", () => {
    const [others, failed] = drawing("turns", rows).series;
    expect([others?.values[2], failed?.values[2]]).toEqual([3, 2]);
  });

  it("puts bars on each other", () => {
    expect(stacked(drawing("tokens", rows).series)).toEqual([
      [10, 0, 30],
      [11, 0, 33],
    ]);
  });

  it("is tokens, if an address names nothing that can be drawn", () => {
    expect([measureOf(undefined), measureOf("toString"), measureOf("money")]).toEqual([
      "tokens",
      "tokens",
      "money",
    ]);
  });
});

describe("a table of figures", () => {
  it("has the greatest first, and what is unknown last", () => {
    const rows = [
      row({ model: "a" }),
      row({ model: "b", cost_usd: 1 }),
      row({ model: "c", cost_usd: 2 }),
    ];
    expect(sorted(rows, "cost").map(({ model }) => model)).toEqual(["c", "b", "a"]);
  });

  it("is in order of the spend, if an address names no column", () => {
    expect(figureOf("valueOf")).toBe("cost");
  });
});
