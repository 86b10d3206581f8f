import { useState } from "react";
import { Button } from "./Button";
import { withVisibleControls } from "./controls";
import { exact } from "./formats";
import styles from "./LongText.module.css";

const MAX_LINES = 200;
const MAX_CHARACTERS = 20_000;

/** A text in a fixed-width font; a long one is cut until the reader asks for all of it. */
export function LongText({ text }: { text: string }) {
  const [showsAll, setShowsAll] = useState(false);
  const end = showsAll ? text.length : endOfHead(text);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard. */}
      <pre className={styles.text} tabIndex={0} dir="auto">
        {withVisibleControls(text.slice(0, end))}
      </pre>
      {end < text.length && (
        <Button tone="quiet" className={styles.all} onClick={() => setShowsAll(true)}>
          Show all {exact(text.length)} characters
        </Button>
      )}
    </>
  );
}

/** Return where a text is cut: after its first lines, or inside of a very long one. */
export function endOfHead(text: string): number {
  if (text.length <= MAX_CHARACTERS && text.length <= MAX_LINES) return text.length;
  let at = 0;
  for (let line = 0; line < MAX_LINES; line++) {
    const next = text.indexOf("\n", at);
    if (next === -1) return Math.min(text.length, MAX_CHARACTERS);
    if (next >= MAX_CHARACTERS) return MAX_CHARACTERS;
    at = next + 1;
  }
  return at;
}
