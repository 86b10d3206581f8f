import { memo, useMemo } from "react";
import { withVisibleControls } from "./controls";
import styles from "./Stretches.module.css";

/** How many characters are drawn at a stretch: few enough to be laid out within a moment. */
const STRETCH = 20_000;

/**
 * A text of any length, for an element that keeps white space and breaks lines anywhere.
 *
 * Only what is in view is laid out: lines by the hundred thousand would stop the page for seconds.
 */
export function Stretches({ text }: { text: string }) {
  const stretches = useMemo(() => stretchesOf(text), [text]);
  const [only = ""] = stretches;
  if (stretches.length <= 1) return withVisibleControls(only);
  return stretches.map((stretch, at) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: a stretch is its place in the text.
    <Stretch key={at} text={stretch} />
  ));
}

const Stretch = memo(function Stretch({ text }: { text: string }) {
  return <span className={styles.stretch}>{withVisibleControls(text)}</span>;
});

/** Return the stretches of a text: whole lines where they are short enough, never half a character. */
export function stretchesOf(text: string): string[] {
  return piecesOf(text, endOfStretch);
}

/** Return the stretches of a text that break no line, however long it is. */
export function linesOf(text: string): string[] {
  return piecesOf(text, endOfLines);
}

function piecesOf(text: string, endOf: (text: string, start: number) => number): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    const end = endOf(text, at);
    pieces.push(text.slice(at, end));
    at = end;
  }
  return pieces;
}

function endOfStretch(text: string, start: number): number {
  const end = start + STRETCH;
  if (end >= text.length) return text.length;
  const line = text.lastIndexOf("\n", end - 1);
  if (line >= start) return line + 1;
  const last = text.charCodeAt(end - 1);
  const cutsPair = last >= 0xd800 && last <= 0xdbff;
  return cutsPair ? end - 1 : end;
}

function endOfLines(text: string, start: number): number {
  const end = endOfStretch(text, start);
  if (end === text.length || text[end - 1] === "\n") return end;
  const line = text.indexOf("\n", end);
  return line === -1 ? text.length : line + 1;
}
