import type { ReactNode } from "react";
import { exact } from "./formats";
import styles from "./Pages.module.css";

interface PagesProps {
  /** What is listed, such as "agents". */
  of: string;
  /** Which page is shown; the first is 1. */
  page: number;
  /** How many items a page has, and how many this one has. */
  length: number;
  shown: number;
  total: number;
  /** Returns a link to a page. */
  link: (page: number, rel: "prev" | "next", words: string) => ReactNode;
}

/** Which part of a list is shown, and the way to the others. */
export function Pages({ of, page, length, shown, total, link }: PagesProps) {
  const first = (page - 1) * length + 1;
  const last = first + shown - 1;
  return (
    <nav className={styles.pages} aria-label={`Pages of ${of}`}>
      <span>
        {shown === 0 ? "This page is empty." : `${exact(first)}–${exact(last)} of ${exact(total)}`}
      </span>
      {page > 1 && link(page - 1, "prev", "Previous page")}
      {last < total && link(page + 1, "next", "Next page")}
    </nav>
  );
}
