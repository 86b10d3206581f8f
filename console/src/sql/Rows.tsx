import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef } from "react";
import type { Schemas } from "../api/client";
import { shortId } from "../parts/formats";
import { identified } from "../parts/ids";
import { isFigure, lineOf, textOf } from "./cells";
import styles from "./Rows.module.css";

const ROW = 28;

/** The rows of an answer. Only those in sight are in the page. */
export function Rows({ answer: { columns, rows } }: { answer: Schemas["SqlRows"] }) {
  const frame = useRef<HTMLElement>(null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => frame.current,
    estimateSize: () => ROW,
    overscan: 12,
  });
  const shown = virtual.getVirtualItems();
  const above = shown[0]?.start ?? 0;
  const below = virtual.getTotalSize() - (shown.at(-1)?.end ?? 0);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard.
    <section ref={frame} className={styles.frame} aria-label="Rows" tabIndex={0}>
      <table className={styles.table} aria-rowcount={rows.length + 1}>
        <thead>
          <tr>
            {columns.map(({ name, type }, place) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: two columns can have one name.
              <th key={place} scope="col" title={type} className={aligned(type)}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Gap height={above} columns={columns.length} />
          {shown.map(({ index }) => (
            <tr key={index} aria-rowindex={index + 2}>
              {columns.map(({ type }, place) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: a cell is its column's place.
                <td key={place} className={aligned(type)}>
                  <Cell value={rows[index]?.[place]} />
                </td>
              ))}
            </tr>
          ))}
          <Gap height={below} columns={columns.length} />
        </tbody>
      </table>
    </section>
  );
}

function Cell({ value }: { value: unknown }) {
  if (value === null || value === undefined) return <span className={styles.null}>null</span>;
  const object = typeof value === "string" ? identified(value) : undefined;
  if (object?.kind === "session") {
    return (
      <Link to="/sessions/$sessionId" params={{ sessionId: object.id }} title={object.id}>
        {shortId(object.id)}
      </Link>
    );
  }
  if (object?.kind === "agent") {
    return (
      <Link to="/agents/$agentId" params={{ agentId: object.id }} title={object.id}>
        {shortId(object.id)}
      </Link>
    );
  }
  return <span title={textOf(value)}>{lineOf(value)}</span>;
}

/** Room of the rows that are not in the page. */
function Gap({ height, columns }: { height: number; columns: number }) {
  if (height <= 0) return null;
  return (
    <tr>
      <td colSpan={columns} style={{ height, padding: 0, border: 0 }} />
    </tr>
  );
}

function aligned(type: string): string | undefined {
  return isFigure(type) ? styles.figure : undefined;
}
