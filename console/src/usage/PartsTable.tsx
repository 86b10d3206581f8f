import type { Schemas } from "../api/client";
import { Table } from "../parts/Table";
import { FigureCells, FigureHeads } from "./figures";
import styles from "./Usage.module.css";

interface PartsTableProps {
  rows: readonly Schemas["UsageRow"][];
  unit: "day" | "hour";
}

/** What the chart draws, in figures. */
export function PartsTable({ rows, unit }: PartsTableProps) {
  return (
    <details className={styles.table}>
      <summary>Show as a table</summary>
      <Table label={`Usage by ${unit}`}>
        <thead>
          <tr>
            <th scope="col">{unit === "day" ? "Day" : "Hour"} (UTC)</th>
            <FigureHeads />
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row[unit]}>
              <th scope="row">{row[unit]?.replace("T", " ").slice(0, 16)}</th>
              <FigureCells row={row} />
            </tr>
          ))}
        </tbody>
      </Table>
    </details>
  );
}
