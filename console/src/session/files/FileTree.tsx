import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, useRef, useState } from "react";
import { withVisibleControls } from "../../parts/controls";
import { ChevronIcon } from "../../parts/icons";
import { FileLink } from "./FileLink";
import styles from "./FileTree.module.css";
import { type Node, parentOf, type Row, rowsOf } from "./tree";

interface FileTreeProps {
  root: Node;
  /** The path that is open. */
  chosen: string;
}

/** Folders and files. Arrow keys move, open and close; Enter shows. */
export function FileTree({ root, chosen }: FileTreeProps) {
  const list = useRef<HTMLDivElement>(null);
  // Folders that the user has opened or closed; others are open where the chosen path leads.
  const [toggled, setToggled] = useState<ReadonlyMap<string, boolean>>(new Map());
  const navigate = useNavigate({ from: "/sessions/$sessionId" });
  const rows = rowsOf(
    root,
    (path) => toggled.get(path) ?? (chosen === path || chosen.startsWith(`${path}/`)),
  );
  const current = rows.some(({ node }) => node.path === chosen) ? chosen : rows[0]?.node.path;

  function open(path: string, isOpen: boolean) {
    setToggled(new Map(toggled).set(path, isOpen));
  }

  function focus(path: string | undefined) {
    const items = list.current?.querySelectorAll<HTMLElement>("[role=treeitem]") ?? [];
    [...items].find((item) => item.dataset.path === path)?.focus();
  }

  /** Do what a key stands for; tells whether it stands for anything. */
  function obeyed(key: string, { node, isOpen }: Row, place: number): boolean {
    switch (key) {
      case "ArrowDown":
        focus(rows[place + 1]?.node.path);
        return true;
      case "ArrowUp":
        focus(rows[place - 1]?.node.path);
        return true;
      case "Home":
        focus(rows[0]?.node.path);
        return true;
      case "End":
        focus(rows.at(-1)?.node.path);
        return true;
      case "ArrowRight":
        if (isOpen === false) open(node.path, true);
        else if (isOpen) focus(rows[place + 1]?.node.path);
        return true;
      case "ArrowLeft":
        if (isOpen) open(node.path, false);
        else focus(parentOf(node.path));
        return true;
      case " ":
        void navigate({ search: (search) => ({ ...search, file: node.path }), resetScroll: false });
        return true;
      default:
        return false;
    }
  }

  function press(event: KeyboardEvent, row: Row, place: number) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (obeyed(event.key, row, place)) event.preventDefault();
  }

  return (
    <div ref={list} role="tree" aria-label="Files of the session" className={styles.tree}>
      {rows.map((row, place) => (
        <FileLink
          key={row.node.path}
          path={row.node.path}
          role="treeitem"
          aria-level={row.level}
          aria-expanded={row.isOpen ?? undefined}
          aria-selected={row.node.path === chosen}
          tabIndex={row.node.path === current ? 0 : -1}
          data-path={row.node.path}
          className={styles.row}
          style={{ "--level": row.level }}
          onClick={() => row.isOpen !== null && open(row.node.path, !row.isOpen)}
          onKeyDown={(event) => press(event, row, place)}
        >
          <span className={styles.mark} data-open={row.isOpen}>
            {row.isOpen !== null && <ChevronIcon />}
          </span>
          <span className={styles.name}>{withVisibleControls(row.node.name)}</span>
        </FileLink>
      ))}
    </div>
  );
}
