import { type KeyboardEvent, useRef } from "react";
import styles from "./Json.module.css";
import { JsonEntry } from "./JsonEntry";

interface JsonProps {
  value: unknown;
  /** What the value is, for screen readers. */
  label: string;
  /** How many levels are open at first. */
  openLevels?: number;
}

/** A value as a tree. Arrow keys move, open and close; what is closed is not drawn. */
export function Json({ value, label, openLevels = 2 }: JsonProps) {
  const tree = useRef<HTMLDivElement>(null);

  function press(event: KeyboardEvent) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const items = [...(tree.current?.querySelectorAll<HTMLElement>("[role=treeitem]") ?? [])];
    const item = items.find((one) => one === document.activeElement);
    if (item === undefined) return;
    const place = items.indexOf(item);
    const isOpen = item.getAttribute("aria-expanded");
    const next = {
      ArrowDown: items[place + 1],
      ArrowUp: items[place - 1],
      Home: items[0],
      End: items.at(-1),
      ArrowRight: isOpen === "true" ? items[place + 1] : undefined,
      ArrowLeft:
        isOpen === "true"
          ? undefined
          : (item.parentElement?.closest<HTMLElement>("[role=treeitem]") ?? undefined),
    }[event.key];
    if (next !== undefined) {
      event.preventDefault();
      next.focus();
    }
  }

  return (
    <div ref={tree} role="tree" aria-label={label} className={styles.tree} onKeyDown={press}>
      <JsonEntry value={value} level={1} openLevels={openLevels} />
    </div>
  );
}
