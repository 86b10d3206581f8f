import type { ReactNode } from "react";
import type { Schemas } from "../api/client";
import { Money, Tokens } from "../parts/Amounts";
import { duration, exact } from "../parts/formats";
import { isNameIn } from "../parts/names";
import styles from "./Usage.module.css";

type Row = Schemas["UsageRow"];

/** The columns of figures, each with its name and how it reads. */
const FIGURES = {
  cost: { name: "Spend", value: (row: Row) => row.cost_usd },
  input: { name: "Input", value: (row: Row) => row.input_tokens },
  output: { name: "Output", value: (row: Row) => row.output_tokens },
  turns: { name: "Turns", value: (row: Row) => row.turns },
  failed: { name: "Failed", value: (row: Row) => row.failed_turns },
  half: { name: "p50", value: (row: Row) => row.turn_p50_ms },
  most: { name: "p95", value: (row: Row) => row.turn_p95_ms },
  tools: { name: "Tool calls", value: (row: Row) => row.tool_calls },
} as const;
export type Figure = keyof typeof FIGURES;

/** The heads of the columns of figures. */
export function FigureHeads({ head }: { head?: (figure: Figure, name: string) => ReactNode }) {
  return entries().map(([figure, { name }]) =>
    head === undefined ? (
      <th key={figure} scope="col" data-number>
        {name}
      </th>
    ) : (
      head(figure, name)
    ),
  );
}

/** The figures of a row. */
export function FigureCells({ row }: { row: Row }) {
  return entries().map(([figure, { value }]) => (
    <td
      key={figure}
      data-number
      className={figure === "failed" && (value(row) ?? 0) > 0 ? styles.bad : undefined}
    >
      {shown(figure, value(row))}
    </td>
  ));
}

/** Return the column that an address names: the spend unless it names another. */
export function figureOf(text: string | undefined): Figure {
  return isNameIn(FIGURES, text) ? text : "cost";
}

/** Return rows with the greatest value of a column first, those without one last. */
export function sorted(rows: readonly Row[], figure: Figure): Row[] {
  const { value } = FIGURES[figure];
  return [...rows].sort((one, other) => (value(other) ?? -1) - (value(one) ?? -1));
}

function shown(figure: Figure, value: number | null): ReactNode {
  if (figure === "cost") return <Money dollars={value} />;
  if (value === null) return "–";
  if (figure === "input" || figure === "output") return <Tokens count={value} />;
  if (figure === "half" || figure === "most") return duration(value);
  return exact(value);
}

function entries(): [Figure, (typeof FIGURES)[Figure]][] {
  return Object.entries(FIGURES) as [Figure, (typeof FIGURES)[Figure]][];
}
