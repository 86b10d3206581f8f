import { Link } from "@tanstack/react-router";
import { Button } from "../../parts/Button";
import { CopyButton } from "../../parts/CopyButton";
import { Id } from "../../parts/Id";
import { Json } from "../../parts/Json";
import { Loading } from "../../parts/State";
import { Time } from "../../parts/Time";
import type { LogEvent } from "../log/wire";
import { streamCommand } from "./EventBar";
import styles from "./EventDetail.module.css";

interface EventDetailProps {
  sessionId: string;
  sequence: number;
  /** Null if it is not among those that are loaded. */
  event: LogEvent | null;
  /** The sequences that are shown before and after it. */
  neighbours: { before: number | null; after: number | null };
  isLoading: boolean;
  /** Called with the sequence of the event to open; null closes. */
  onOpen: (sequence: number | null) => void;
}

/** All of an event. */
export function EventDetail({
  sessionId,
  sequence,
  event,
  neighbours: { before, after },
  isLoading,
  onOpen,
}: EventDetailProps) {
  return (
    <section className={styles.detail} aria-label={`Event ${sequence}`}>
      <header className={styles.head}>
        <h2>
          #{sequence} {event?.type}
        </h2>
        <Button disabled={before === null} onClick={() => onOpen(before)}>
          Previous
        </Button>
        <Button disabled={after === null} onClick={() => onOpen(after)}>
          Next
        </Button>
        <Button tone="quiet" onClick={() => onOpen(null)}>
          Close
        </Button>
      </header>
      {event === null ? (
        <Missing isLoading={isLoading} />
      ) : (
        <>
          <p className={styles.about}>
            <Time at={event.ts} />
            <Id id={event.id} />
            {event.context.turn_id && (
              <Link
                from="/sessions/$sessionId"
                to="."
                search={(search) => ({ ...search, turn: event.context.turn_id ?? "" })}
                activeOptions={{ exact: true }}
              >
                Only this turn
              </Link>
            )}
            <CopyButton label="Copy JSON" text={() => JSON.stringify(event, null, 2)} />
            <CopyButton
              label="Copy stream from here as curl"
              text={() => streamCommand(sessionId, sequence - 1)}
            />
          </p>
          <Json key={sequence} value={event} label={`Event ${sequence} as JSON`} openLevels={4} />
        </>
      )}
    </section>
  );
}

function Missing({ isLoading }: { isLoading: boolean }) {
  if (isLoading) return <Loading rows={6} />;
  return <p>This event is not among those shown. Clear the filters, or go to its number.</p>;
}
