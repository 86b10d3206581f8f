import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { Curl } from "../../parts/Curl";
import { Empty, Failed, Loading } from "../../parts/State";
import type { SessionSearch } from "../../searches";
import { EventBar } from "./EventBar";
import { EventDetail } from "./EventDetail";
import { EventList } from "./EventList";
import styles from "./Events.module.css";
import { contains, filterIn, openedIn } from "./filter";
import { useLog } from "./log";

/** The log of a session: every durable event, and those that come. */
export function Events({ sessionId }: { sessionId: string }) {
  const search = useSearch({ from: "/sessions/$sessionId" });
  const navigate = useNavigate({ from: "/sessions/$sessionId" });
  const { type, turn, find = "" } = search;
  const filter = useMemo(
    () => filterIn({ ...(type !== undefined && { type }), ...(turn !== undefined && { turn }) }),
    [type, turn],
  );
  const opened = openedIn(search);
  // Where reading began: at the event that the address opens, else at the end.
  const [from, setFrom] = useState(opened);
  const log = useLog(sessionId, filter, from);
  const rows = useMemo(
    () => log.events.filter((event) => contains(event, find)),
    [log.events, find],
  );
  const event = log.events.find(({ sequence }) => sequence === opened) ?? null;

  function change(part: { [Name in keyof SessionSearch]: SessionSearch[Name] | undefined }) {
    const changed = Object.entries({ ...search, ...part }).filter(([, value]) => value);
    void navigate({ search: Object.fromEntries(changed), replace: true, resetScroll: false });
  }

  function open(sequence: number | null) {
    change({ event: sequence === null ? undefined : String(sequence) });
  }

  function jump(sequence: number) {
    const isLoaded = log.events.some((loaded) => loaded.sequence === sequence);
    if (!isLoaded) setFrom(sequence);
    open(sequence);
  }

  function showNewest() {
    setFrom(null);
    open(null);
  }

  return (
    <div className={styles.events}>
      <EventBar sessionId={sessionId} filter={filter} find={find} onChange={change} onJump={jump} />
      {log.error !== null && <Failed error={log.error} retry={log.retry} />}
      {log.events.length === 0 ? (
        <Nothing
          isLoading={log.isLoading}
          isFiltered={filter.types.length > 0 || filter.turnId !== null}
          sessionId={sessionId}
        />
      ) : (
        <div className={styles.panes} data-opened={opened !== null}>
          <EventList
            key={from}
            log={log}
            rows={rows}
            opened={opened}
            isAtEnd={from === null}
            onOpen={open}
            onNewest={showNewest}
          />
          {opened !== null && (
            <EventDetail
              sessionId={sessionId}
              sequence={opened}
              event={event}
              neighbours={neighboursOf(opened, rows)}
              isLoading={log.isLoading}
              onOpen={open}
            />
          )}
        </div>
      )}
    </div>
  );
}

interface NothingProps {
  isLoading: boolean;
  isFiltered: boolean;
  sessionId: string;
}

function Nothing({ isLoading, isFiltered, sessionId }: NothingProps) {
  if (isLoading) return <Loading rows={12} />;
  return (
    <Empty>
      {isFiltered ? (
        <p>
          No event matches the filter.{" "}
          <Link from="/sessions/$sessionId" to="." search={{ view: "events" }}>
            Show all events
          </Link>
        </p>
      ) : (
        <p>There are no events yet. Whatever happens in the session appears here.</p>
      )}
      <Curl path={`/v1/sessions/${sessionId}/events/list`} />
    </Empty>
  );
}

interface Sequenced {
  readonly sequence: number;
}

/** Return the sequences that are shown before and after one. */
export function neighboursOf(
  sequence: number,
  rows: readonly Sequenced[],
): { before: number | null; after: number | null } {
  return {
    before: rows.findLast((row) => row.sequence < sequence)?.sequence ?? null,
    after: rows.find((row) => row.sequence > sequence)?.sequence ?? null,
  };
}
