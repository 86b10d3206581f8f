import { Link } from "@tanstack/react-router";
import { sessionName } from "../api/displayNames";
import { exact } from "../parts/formats";
import { State } from "../parts/State";
import { Time } from "../parts/Time";
import styles from "./Agent.module.css";
import { useSessionsOf } from "./queries";

const SHOWN = 5;

/** An agent's newest sessions. */
export function AgentSessions({ agentId }: { agentId: string }) {
  const sessions = useSessionsOf(agentId, SHOWN);
  return (
    <section className={styles.panel}>
      <h2>Sessions</h2>
      <State
        query={sessions}
        rows={SHOWN}
        isEmpty={(list) => list.total === 0}
        empty={<p className={styles.quiet}>None yet.</p>}
      >
        {(list) => (
          <>
            <ul className={styles.rows}>
              {list.data.map((session) => (
                <li key={session.id}>
                  <Link to="/sessions/$sessionId" params={{ sessionId: session.id }}>
                    {sessionName(session)}
                  </Link>
                  <span className={styles.quiet}>
                    <Time at={session.updated_at} />
                  </span>
                </li>
              ))}
            </ul>
            {list.total > list.data.length && (
              <Link to="/sessions" search={{ agent: agentId }}>
                All {exact(list.total)} sessions
              </Link>
            )}
          </>
        )}
      </State>
    </section>
  );
}
