import { duration } from "../../parts/formats";
import { Markdown } from "../../parts/markdown/Markdown";
import { Fold } from "./Fold";
import styles from "./Reasoning.module.css";

interface ReasoningProps {
  text: string;
  isGrowing: boolean;
  /** How long the model reasoned, if that is known. */
  durationMs: number | null;
}

/** What the model thought before it answered, folded. */
export function Reasoning({ text, isGrowing, durationMs }: ReasoningProps) {
  const time = durationMs === null ? "" : ` for ${duration(durationMs)}`;
  return (
    <Fold
      summary={
        <span className={styles.summary}>{isGrowing ? "Reasoning…" : `Reasoned${time}`}</span>
      }
    >
      {() => (
        <div className={styles.reasoning}>
          <Markdown text={text} isGrowing={isGrowing} />
        </div>
      )}
    </Fold>
  );
}
