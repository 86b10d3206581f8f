import { Link } from "@tanstack/react-router";
import { lazy, type Ref, Suspense } from "react";
import { Button } from "../parts/Button";
import { Failed, Loading } from "../parts/State";
import styles from "./Try.module.css";

const ConversationBox = lazy(async () => ({
  default: (await import("../session/ConversationBox")).ConversationBox,
}));

interface TryProps {
  ref: Ref<HTMLElement>;
  /** The session in which the agent is tried, if there is one. */
  sessionId: string | undefined;
  onStart: () => void;
  isStarting: boolean;
  error: Error | null;
}

/** A conversation with the agent, as it is saved. */
export function Try({ ref, sessionId, onStart, isStarting, error }: TryProps) {
  return (
    <section ref={ref} className={styles.try} aria-labelledby="try">
      <header className={styles.header}>
        <h2 id="try">Try it</h2>
        {sessionId !== undefined && (
          <Link to="/sessions/$sessionId" params={{ sessionId }}>
            Open the session
          </Link>
        )}
        <Button isBusy={isStarting} onClick={onStart}>
          {sessionId === undefined ? "Start a session" : "Start another"}
        </Button>
      </header>
      {error !== null && <Failed error={error} />}
      {sessionId === undefined ? (
        <p className={styles.quiet}>
          A session here talks to the agent as it is saved. What you save later applies from its
          next step.
        </p>
      ) : (
        <Suspense fallback={<Loading rows={3} />}>
          <ConversationBox key={sessionId} sessionId={sessionId} />
        </Suspense>
      )}
    </section>
  );
}
