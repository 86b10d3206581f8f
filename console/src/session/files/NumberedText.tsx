import { useSearch } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { withVisibleControls } from "../../parts/controls";
import styles from "./FileContent.module.css";

/** A text with the numbers of its lines; the line that the address names is marked. */
export function NumberedText({ text }: { text: string }) {
  const { line: named } = useSearch({ from: "/sessions/$sessionId" });
  const mark = useRef<HTMLDivElement>(null);
  const count = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  const line = Number(named);
  const isThere = Number.isInteger(line) && line >= 1 && line <= count;

  // biome-ignore lint/correctness/useExhaustiveDependencies: another line is another place.
  useEffect(() => mark.current?.scrollIntoView({ block: "center" }), [line]);

  return (
    <div className={styles.text}>
      <pre aria-hidden="true" className={styles.numbers}>
        {Array.from({ length: count }, (_, index) => index + 1).join("\n")}
      </pre>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard. */}
      <pre tabIndex={0}>{withVisibleControls(text)}</pre>
      {isThere && <div ref={mark} className={styles.line} style={{ "--line-number": line }} />}
    </div>
  );
}
