import type { Turn } from "../log/types";
import styles from "./Outcome.module.css";
import { Retry } from "./Retry";

interface OutcomeProps {
  outcome: NonNullable<Turn["outcome"]>;
  /** Whether the turn can be retried: the last one, and it has ended. */
  isLast: boolean;
  /** Whether a later turn has taken its place. */
  isRetried: boolean;
}

/** How a turn ended, if not with an answer: why, and how to go on. */
export function Outcome({ outcome, isLast, isRetried }: OutcomeProps) {
  if (outcome.kind === "completed") return null;
  if (isRetried) {
    const words = outcome.kind === "failed" ? `failed with ${outcome.code}` : "was cancelled";
    return <p className={styles.cancelled}>The turn {words}, and was retried.</p>;
  }
  if (outcome.kind === "cancelled") {
    return (
      <div className={styles.cancelled}>
        <p>The turn was cancelled{reasonWords(outcome.reason)}.</p>
        {isLast && <Retry />}
      </div>
    );
  }
  return (
    <section className={styles.failed} aria-label="Failure">
      <p>
        <strong>{outcome.code}</strong> {outcome.message}
      </p>
      {isLast && <Retry />}
    </section>
  );
}

function reasonWords(reason: string | null): string {
  return reason === null || reason === "cancelled" ? "" : ` (${reason})`;
}
