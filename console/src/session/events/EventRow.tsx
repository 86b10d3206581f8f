import { Link } from "@tanstack/react-router";
import { memo } from "react";
import { withVisibleControls } from "../../parts/controls";
import type { LogEvent } from "../log/wire";
import styles from "./EventList.module.css";
import { summaryOf, weightOf } from "./summary";

const clock = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
});

interface EventRowProps {
  event: LogEvent;
  /** Where it is drawn, in pixels. */
  top: number;
  /** From 1, of the rows that are loaded. */
  place: number;
  /** How many rows there are; -1 if that is not known. */
  count: number;
  isOpen: boolean;
}

/** An event in one line; it leads to all of it. */
export const EventRow = memo(function EventRow({
  event,
  top,
  place,
  count,
  isOpen,
}: EventRowProps) {
  return (
    <li
      aria-posinset={place}
      aria-setsize={count}
      className={styles.row}
      style={{ transform: `translateY(${top}px)` }}
    >
      <Link
        from="/sessions/$sessionId"
        to="."
        search={(search) => ({ ...search, event: String(event.sequence) })}
        replace
        resetScroll={false}
        className={styles.link}
        activeOptions={{ exact: true }}
        aria-current={isOpen ? "true" : undefined}
      >
        <span className={styles.sequence}>{event.sequence}</span>
        <time dateTime={event.ts} className={styles.time} title={event.ts}>
          {clock.format(new Date(event.ts))}
        </time>
        <span className={styles.type} data-weight={weightOf(event)}>
          {event.type}
        </span>
        <span className={styles.summary}>{withVisibleControls(summaryOf(event))}</span>
      </Link>
    </li>
  );
});
