import { useState } from "react";
import { Button } from "./Button";
import { saveAs } from "./blobs";
import { CopyButton } from "./CopyButton";
import { exact } from "./formats";
import styles from "./LongText.module.css";
import { Stretches } from "./Stretches";

const MAX_LINES = 200;
const MAX_CHARACTERS = 20_000;

interface LongTextProps {
  text: string;
  /** Whether something around it copies the text already. */
  isCopiedAround?: boolean;
}

/** A text in a fixed-width font; of a long one the beginning, until the reader wants all of it. */
export function LongText({ text, isCopiedAround = false }: LongTextProps) {
  const [showsAll, setShowsAll] = useState(false);
  const endOfShown = endOfHead(text);
  const isLong = endOfShown < text.length;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard. */}
      <pre className={styles.text} tabIndex={0} dir="auto">
        <Stretches text={showsAll ? text : text.slice(0, endOfShown)} />
      </pre>
      {isLong && (
        <div className={styles.actions}>
          {!showsAll && (
            <Button tone="quiet" onClick={() => setShowsAll(true)}>
              Show all {exact(text.length)} characters
            </Button>
          )}
          {!isCopiedAround && <CopyButton label="Copy all" text={() => text} />}
          <Button tone="quiet" onClick={() => saveAs(new Blob([text]), "text.txt")}>
            Save as a file
          </Button>
        </div>
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
