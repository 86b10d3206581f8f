import { useSearch } from "@tanstack/react-router";
import { useEffect, useMemo, useRef } from "react";
import { withVisibleControls } from "../../parts/controls";
import { linesOf } from "../../parts/Stretches";
import styles from "./FileContent.module.css";
import { countLines } from "./limits";

/** Lines that are laid out together, once they come into view. */
interface Lines {
  /** The number of the first one. */
  readonly first: number;
  readonly count: number;
  readonly text: string;
}

/** A text with the numbers of its lines; the line that the address names is marked. */
export function NumberedText({ text }: { text: string }) {
  const { line: named } = useSearch({ from: "/sessions/$sessionId" });
  const mark = useRef<HTMLDivElement>(null);
  const parts = useMemo(() => partsOf(text), [text]);
  const last = parts.at(-1);
  const count = last === undefined ? 0 : last.first + last.count - 1;
  const line = Number(named);
  const isThere = Number.isInteger(line) && line >= 1 && line <= count;

  // biome-ignore lint/correctness/useExhaustiveDependencies: another line is another place.
  useEffect(() => mark.current?.scrollIntoView({ block: "center" }), [line]);

  return (
    <div className={styles.text} style={{ "--digits": String(count).length }}>
      <pre aria-hidden="true" className={styles.numbers}>
        {parts.map((part) => (
          <span key={part.first} className={styles.lines} style={{ "--lines": part.count }}>
            {numbersOf(part)}
          </span>
        ))}
      </pre>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard. */}
      <pre tabIndex={0}>
        {parts.map((part) => (
          <span key={part.first} className={styles.lines} style={{ "--lines": part.count }}>
            {withVisibleControls(part.text)}
          </span>
        ))}
      </pre>
      {isThere && <div ref={mark} className={styles.line} style={{ "--line-number": line }} />}
    </div>
  );
}

function partsOf(text: string): Lines[] {
  let first = 1;
  return linesOf(text).map((part) => {
    const count = countLines(part);
    first += count;
    return { first: first - count, count, text: part };
  });
}

function numbersOf({ first, count }: Lines): string {
  return Array.from({ length: count }, (_, index) => first + index).join("\n");
}
