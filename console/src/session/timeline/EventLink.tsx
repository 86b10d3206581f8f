import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import styles from "./Timeline.module.css";

interface EventLinkProps {
  /** Null of what has no event yet. */
  sequence: number | null;
  children: ReactNode;
}

/** A link to an event of the log. */
export function EventLink({ sequence, children }: EventLinkProps) {
  if (sequence === null) return <span className={styles.event}>{children}</span>;
  return (
    <Link
      from="/sessions/$sessionId"
      to="."
      search={{ view: "events", event: String(sequence) }}
      activeOptions={{ exact: true }}
      className={styles.event}
    >
      {children}
    </Link>
  );
}
