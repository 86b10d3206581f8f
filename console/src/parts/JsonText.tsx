import { useState } from "react";
import { exact } from "./formats";
import styles from "./Json.module.css";
import { Stretches } from "./Stretches";

const SHOWN_AT_FIRST = 400;

/** A value of JSON that has nothing in it. A long text is cut until all of it is wanted. */
export function JsonText({ value }: { value: unknown }) {
  const [showsAll, setShowsAll] = useState(false);
  if (typeof value !== "string") {
    return <span className={styles.literal}>{JSON.stringify(value) ?? String(value)}</span>;
  }
  const shown = showsAll ? value : headOf(value);
  return (
    <span className={styles.text}>
      <Stretches text={JSON.stringify(shown)} />
      {shown.length < value.length && (
        <button
          type="button"
          className={styles.more}
          onClick={(event) => {
            event.stopPropagation();
            setShowsAll(true);
          }}
        >
          Show all {exact(value.length)} characters
        </button>
      )}
    </span>
  );
}

/** Return the beginning of a text, which does not end within a character. */
function headOf(text: string): string {
  if (text.length <= SHOWN_AT_FIRST * 1.5) return text;
  const last = text.charCodeAt(SHOWN_AT_FIRST - 1);
  const cutsPair = last >= 0xd800 && last <= 0xdbff;
  return text.slice(0, cutsPair ? SHOWN_AT_FIRST - 1 : SHOWN_AT_FIRST);
}
