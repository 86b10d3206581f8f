import { type KeyboardEvent, type ReactNode, useState } from "react";
import { ChevronIcon } from "./icons";
import styles from "./Json.module.css";
import { JsonText } from "./JsonText";
import { entriesOf, inBrief } from "./jsonEntries";

// Lists and objects of many entries are drawn a part at a time.
const DRAWN_AT_ONCE = 200;

interface JsonEntryProps {
  /** The name or the place in what it is in. */
  name?: string;
  value: unknown;
  level: number;
  openLevels: number;
}

/** A value in a tree of JSON, with what is in it. */
export function JsonEntry({ name, value, level, openLevels }: JsonEntryProps) {
  const entries = entriesOf(value);
  const [isOpen, setOpen] = useState(level <= openLevels);
  const [drawn, setDrawn] = useState(DRAWN_AT_ONCE);
  const hasMore = entries !== null && entries.length > 0;

  function press(event: KeyboardEvent) {
    // Each item hears the keys of those in it too.
    if (event.target !== event.currentTarget || !hasMore) return;
    const wanted =
      event.key === "ArrowRight" && !isOpen
        ? true
        : event.key === "ArrowLeft" && isOpen
          ? false
          : event.key === "Enter" || event.key === " "
            ? !isOpen
            : null;
    if (wanted === null) return;
    event.preventDefault();
    event.stopPropagation();
    setOpen(wanted);
  }

  return (
    <div
      role="treeitem"
      aria-level={level}
      aria-expanded={hasMore ? isOpen : undefined}
      tabIndex={level === 1 ? 0 : -1}
      className={styles.item}
      onKeyDown={press}
    >
      <Line onToggle={hasMore ? () => setOpen(!isOpen) : null} isOpen={isOpen}>
        {name !== undefined && <span className={styles.name}>{name}</span>}
        {entries === null ? (
          <JsonText value={value} />
        ) : (
          <span className={styles.brief}>{inBrief(value, entries.length)}</span>
        )}
      </Line>
      {hasMore && isOpen && (
        // biome-ignore lint/a11y/useSemanticElements: a group of a tree, and none of a form.
        <div role="group" className={styles.group}>
          {entries.slice(0, drawn).map(([key, inner]) => (
            <JsonEntry
              key={key}
              name={key}
              value={inner}
              level={level + 1}
              openLevels={openLevels}
            />
          ))}
          {entries.length > drawn && (
            <button
              type="button"
              className={styles.more}
              onClick={() => setDrawn(drawn + DRAWN_AT_ONCE)}
            >
              {entries.length - drawn} more
            </button>
          )}
        </div>
      )}
    </div>
  );
}

interface LineProps {
  /** Null of what has nothing in it. */
  onToggle: (() => void) | null;
  isOpen: boolean;
  children: ReactNode;
}

function Line({ onToggle, isOpen, children }: LineProps) {
  if (onToggle === null) return <div className={styles.line}>{children}</div>;
  return (
    // biome-ignore lint/a11y: the item around it does the same by keyboard.
    <div className={styles.line} data-open={isOpen} onClick={onToggle}>
      <span className={styles.mark}>
        <ChevronIcon />
      </span>
      {children}
    </div>
  );
}
