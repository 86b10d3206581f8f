/** What the chart draws, made from the rows of a report. */

import type { Schemas } from "../api/client";
import { brief, duration, exact, money } from "../parts/formats";
import { isNameIn } from "../parts/names";

/** One line or one part of the bars. */
export interface Series {
  name: string;
  /** The name of its colour in the theme. */
  color: "--chart-1" | "--chart-2" | "--bad";
  /** A value for each part of the period; null where there is none. */
  values: (number | null)[];
}

/** What is drawn: bars that stand on each other, or lines. */
export interface Drawing {
  kind: "bars" | "lines";
  series: Series[];
  format: (value: number) => string;
}

/** What can be drawn. */
export const MEASURES = { tokens: "Tokens", money: "Money", turns: "Turns", time: "Time" } as const;
export type Measure = keyof typeof MEASURES;

type Row = Schemas["UsageRow"];
type Unit = "day" | "hour";

/** Return the measure that an address means: tokens unless it says otherwise. */
export function measureOf(text: string | undefined): Measure {
  return isNameIn(MEASURES, text) ? text : "tokens";
}

/** Return one row for each part of a period; undefined where nothing happened. */
export function rowsByPart(
  rows: readonly Row[],
  parts: readonly string[],
  unit: Unit,
): (Row | undefined)[] {
  const found = new Map(rows.map((row) => [row[unit], row]));
  return parts.map((part) => found.get(part));
}

/** Return what is drawn of a measure. Nothing used is 0; an unknown duration or price is a gap. */
export function drawing(measure: Measure, rows: readonly (Row | undefined)[]): Drawing {
  const values = (read: (row: Row) => number | null) =>
    rows.map((row) => (row === undefined ? 0 : read(row)));
  const gaps = (read: (row: Row) => number | null) =>
    rows.map((row) => (row === undefined ? null : read(row)));
  switch (measure) {
    case "tokens":
      return {
        kind: "bars",
        format: brief,
        series: [
          { name: "input", color: "--chart-1", values: values((row) => row.input_tokens) },
          { name: "output", color: "--chart-2", values: values((row) => row.output_tokens) },
        ],
      };
    case "money":
      return {
        kind: "bars",
        format: money,
        series: [{ name: "cost", color: "--chart-1", values: values((row) => row.cost_usd) }],
      };
    case "turns":
      return {
        kind: "bars",
        format: exact,
        series: [
          { name: "not failed", color: "--chart-1", values: values(notFailed) },
          { name: "failed", color: "--bad", values: values((row) => row.failed_turns) },
        ],
      };
    case "time":
      return {
        kind: "lines",
        format: duration,
        series: [
          { name: "p50", color: "--chart-1", values: gaps((row) => row.turn_p50_ms) },
          { name: "p95", color: "--chart-2", values: gaps((row) => row.turn_p95_ms) },
        ],
      };
  }
}

/** Return the heights of bars that stand on each other, each with those below it. */
export function stacked(series: readonly Series[]): (number | null)[][] {
  const heights: (number | null)[][] = [];
  for (const { values } of series) {
    const below = heights.at(-1);
    heights.push(values.map((value, place) => (value ?? 0) + (below?.[place] ?? 0)));
  }
  return heights;
}

function notFailed(row: Row): number | null {
  return row.turns === null ? null : row.turns - (row.failed_turns ?? 0);
}
