import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from "react";
import { Button } from "../../parts/Button";
import { useShortcuts } from "../../parts/shortcuts";
import type { LogEvent } from "../log/wire";
import styles from "./EventList.module.css";
import { EventRow } from "./EventRow";
import type { LoadedLog } from "./log";

const ROW_PX = 28;
// How near to an end of what is loaded the next page is read.
const NEAR_PX = 20 * ROW_PX;

interface EventListProps {
  log: LoadedLog;
  /** Those of the loaded events that are shown. */
  rows: readonly LogEvent[];
  /** The sequence of the event that is open. */
  opened: number | null;
  /** Whether reading began at the end of the log. */
  isAtEnd: boolean;
  onOpen: (sequence: number) => void;
  onNewest: () => void;
}

/** Events as rows, of which only those in view are drawn. */
export function EventList({ log, rows, opened, isAtEnd, onOpen, onNewest }: EventListProps) {
  const box = useRef<HTMLDivElement>(null);
  const [sticks, setSticks] = useState(isAtEnd && opened === null);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_PX,
    getItemKey: (place) => rows[place]?.sequence ?? place,
    overscan: 12,
  });
  const first = rows[0]?.sequence;
  const last = rows.at(-1)?.sequence;
  const unseen = useUnseen(rows, sticks);
  const wasBroughtIntoView = useRef(false);

  usePlaceKept(box, rows);

  // biome-ignore lint/correctness/useExhaustiveDependencies: only new rows move the end.
  useLayoutEffect(() => {
    if (sticks && rows.length > 0) virtual.scrollToIndex(rows.length - 1, { align: "end" });
  }, [last, sticks]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: what is opened is brought into view once.
  useEffect(() => {
    const place = rows.findIndex(({ sequence }) => sequence === opened);
    if (place === -1) return;
    virtual.scrollToIndex(place, { align: wasBroughtIntoView.current ? "auto" : "center" });
    wasBroughtIntoView.current = true;
  }, [opened, first !== undefined]);

  // A page is read when its place comes near, or if what is loaded does not fill the box.
  useEffect(look);

  function look() {
    const { current } = box;
    if (current === null || log.error !== null) return;
    const below = current.scrollHeight - current.scrollTop - current.clientHeight;
    if (log.hasEarlier && current.scrollTop < NEAR_PX) log.loadEarlier();
    else if (log.hasLater && below < NEAR_PX) log.loadLater();
  }

  function scrolled() {
    const { current } = box;
    if (current === null) return;
    const below = current.scrollHeight - current.scrollTop - current.clientHeight;
    setSticks(!log.hasLater && below < ROW_PX);
    look();
  }

  function move(step: number) {
    const place = rows.findIndex(({ sequence }) => sequence === opened);
    const next = place === -1 ? rows.length - 1 : place + step;
    const event = rows[Math.min(Math.max(next, 0), rows.length - 1)];
    if (event !== undefined) onOpen(event.sequence);
  }

  function press(event: KeyboardEvent) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    move(step);
  }

  useShortcuts({ j: () => move(1), k: () => move(-1) });

  return (
    <div className={styles.frame}>
      <section
        ref={box}
        className={styles.box}
        aria-label="Events"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard.
        tabIndex={0}
        onScroll={scrolled}
        onKeyDown={press}
      >
        <ol className={styles.rows} style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map(({ key, index, start }) => {
            const event = rows[index];
            return (
              event && (
                <EventRow
                  key={key}
                  event={event}
                  top={start}
                  place={index + 1}
                  count={log.hasEarlier || log.hasLater ? -1 : rows.length}
                  isOpen={event.sequence === opened}
                />
              )
            );
          })}
        </ol>
      </section>
      {rows.length === 0 && (
        <p className={styles.none}>None of the loaded events contains this text.</p>
      )}
      {!sticks && (
        <div className={styles.newest}>
          <Button
            onClick={() => {
              if (log.hasLater || !isAtEnd) onNewest();
              else setSticks(true);
            }}
          >
            {unseen > 0 ? `${unseen} new ↓` : "Newest ↓"}
          </Button>
        </div>
      )}
    </div>
  );
}

/** Count the rows that have come since the end was left; none if it was never in view. */
function useUnseen(rows: readonly LogEvent[], sticks: boolean): number {
  const [seen, setSeen] = useState(0);
  const last = rows.at(-1)?.sequence ?? 0;
  if (sticks && seen !== last) setSeen(last);
  return seen === 0 ? 0 : rows.length - 1 - rows.findLastIndex(({ sequence }) => sequence <= seen);
}

/** Keep what is in view in its place when rows come above it. */
function usePlaceKept(
  box: { readonly current: HTMLDivElement | null },
  rows: readonly LogEvent[],
): void {
  const before = useRef<number | undefined>(undefined);
  useLayoutEffect(() => {
    const first = before.current;
    before.current = rows[0]?.sequence;
    if (first === undefined || box.current === null) return;
    const added = rows.findIndex(({ sequence }) => sequence >= first);
    if (added > 0) box.current.scrollTop += added * ROW_PX;
  }, [box, rows]);
}
