import { Link } from "@tanstack/react-router";
import { agentName, sessionName } from "../api/displayNames";
import { Money, Tokens } from "../parts/Amounts";
import { Id } from "../parts/Id";
import { Time } from "../parts/Time";
import { useTitle } from "../parts/title";
import { useFollowed } from "./followed";
import styles from "./Header.module.css";
import { Live } from "./Live";
import { type Session, useAgent } from "./queries";
import { SessionMenu } from "./SessionMenu";
import { Title } from "./Title";
import { VIEWS, type View } from "./views";

interface HeaderProps {
  session: Session;
  view: View;
}

/** What a session is called, what it does, what it took, and its views. */
export function Header({ session, view }: HeaderProps) {
  useTitle(sessionName(session));
  return (
    <header className={styles.header}>
      <div className={styles.row}>
        <Title session={session} />
        <Live />
        <SessionMenu session={session} />
      </div>
      <div className={styles.row}>
        <nav aria-label="Views of the session">
          <ul className={styles.views}>
            {VIEWS.map(({ name, words }) => (
              <li key={name}>
                <Link
                  from="/sessions/$sessionId"
                  to="."
                  search={name === "chat" ? {} : { view: name }}
                  resetScroll={false}
                  className={styles.view}
                  // Another view can have the same address but for its search parameters.
                  activeOptions={{ exact: true, includeSearch: true }}
                  aria-current={name === view ? "page" : undefined}
                >
                  {words}
                </Link>
              </li>
            ))}
          </ul>
        </nav>
        <About session={session} />
      </div>
    </header>
  );
}

function About({ session }: { session: Session }) {
  const agent = useAgent(session.agent_id);
  return (
    <ul className={styles.about}>
      {session.agent_id != null && (
        <li>
          <Link to="/agents/$agentId" params={{ agentId: session.agent_id }}>
            {agent.data === undefined ? "its agent" : agentName(agent.data)}
          </Link>
        </li>
      )}
      <Used session={session} />
      <li>
        <Time at={session.created_at} />
      </li>
      <li>
        <Id id={session.id} />
      </li>
    </ul>
  );
}

/** Tokens and money: of the log if all of it is loaded, else as the session was last read. */
function Used({ session }: { session: Session }) {
  const loaded = useFollowed(({ transcript }) => transcript.usage);
  const isWhole = useFollowed(({ transcript }) => transcript.isWhole);
  const usage = isWhole ? loaded : session.usage;
  if (usage == null || usage.input_tokens + usage.output_tokens === 0) return null;
  return (
    <>
      <li>
        <Tokens count={usage.input_tokens} /> in, <Tokens count={usage.output_tokens} /> out
      </li>
      {usage.estimated_cost_usd != null && (
        <li>
          <Money dollars={usage.estimated_cost_usd} />
        </li>
      )}
    </>
  );
}
