import { memo, useMemo } from "react";
import { withVisibleControls } from "./controls";
import styles from "./Stretches.module.css";

/** How many characters are drawn at a stretch: few enough to be laid out within a moment. */
const STRETCH = 20_000;

/** How many characters of a line are taken to fit into a row, before it is laid out. */
const ROW = 100;

/** Browsers end a page after some 1.7 million rows; what is below cannot be scrolled to. */
const MAX_ROWS = 1_000_000;

/**
 * A text of any length, for an element that keeps white space and breaks lines anywhere.
 *
 * Only what is in view is laid out: lines by the hundred thousand would stop the page for seconds.
 * Each stretch is a block. Where a line is longer than a stretch, it is cut between two characters,
 * also within an escape of JSON, and a selection that is copied by hand has a line break there; the
 * buttons that copy take the text itself.
 */
export function Stretches({ text }: { text: string }) {
  const stretches = useMemo(() => stretchesOf(text), [text]);
  const [only = ""] = stretches;
  if (stretches.length <= 1) return withVisibleControls(only);
  const most = Math.floor(MAX_ROWS / stretches.length);
  return stretches.map((stretch, at) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: a stretch is its place in the text.
    <Stretch key={at} text={stretch} mostRows={most} />
  ));
}

interface StretchProps {
  text: string;
  /** The most rows that it counts as, before it has been in view. */
  mostRows: number;
}

const Stretch = memo(function Stretch({ text, mostRows }: StretchProps) {
  return (
    <span className={styles.stretch} style={{ "--rows": Math.min(rowsOf(text), mostRows) }}>
      {withVisibleControls(text)}
    </span>
  );
});

/** Return about how many rows a text takes where its lines are broken. */
export function rowsOf(text: string): number {
  let rows = 0;
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf("\n", at);
    const length = (end === -1 ? text.length : end) - at;
    rows += Math.max(1, Math.ceil(length / ROW));
    at += length + 1;
  }
  return rows;
}

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
  // Searched in the stretch alone: without line ends, the whole text would be searched each time.
  const line = text.slice(start, end).lastIndexOf("\n");
  if (line !== -1) return start + line + 1;
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
