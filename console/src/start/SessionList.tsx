import { Link } from "@tanstack/react-router";
import type { Schemas } from "../api/client";
import { sessionName } from "../api/displayNames";
import { exact } from "../parts/formats";
import { Time } from "../parts/Time";
import { waitsIn } from "../parts/waits";
import type { SessionsSearch } from "../searches";
import styles from "./SessionList.module.css";

interface SessionListProps {
  name: string;
  sessions: readonly Schemas["Session"][];
  /** How many there are, of which these are the first. */
  total: number;
  /** The filter that lists all of them. */
  search: SessionsSearch;
  /** The text for an empty list. */
  none?: string;
}

/** A few sessions, each with what it is about and when it last changed. */
export function SessionList({ name, sessions, total, search, none }: SessionListProps) {
  return (
    <section>
      <header className={styles.head}>
        <h2>{name}</h2>
        {total > sessions.length && (
          <Link to="/sessions" search={search} className={styles.all}>
            All {exact(total)}
          </Link>
        )}
      </header>
      {sessions.length === 0 ? (
        <p className={styles.none}>{none}</p>
      ) : (
        <ul>
          {sessions.map((session) => (
            <li key={session.id}>
              <Link
                to="/sessions/$sessionId"
                params={{ sessionId: session.id }}
                className={styles.session}
              >
                <span className={styles.title}>{sessionName(session)}</span>
                <Doing session={session} />
                <span className={styles.time}>
                  <Time at={session.updated_at} />
                </span>
              </Link>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function Doing({ session }: { session: Schemas["Session"] }) {
  const waits = waitsIn(session);
  if (waits !== "") return <span className={styles.waits}>{waits}</span>;
  if (session.last_outcome === "failed") return <span className={styles.failed}>failed</span>;
  return (
    <span className={styles.preview}>
      {session.status === "active" ? "running" : session.output_preview}
    </span>
  );
}
