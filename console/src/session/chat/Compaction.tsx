import { memo } from "react";
import { brief, duration } from "../../parts/formats";
import { Markdown } from "../../parts/markdown/Markdown";
import type { CompactionItem } from "../log/itemTypes";
import { Fold } from "./Fold";
import styles from "./Notes.module.css";

const STRATEGIES: Record<CompactionItem["strategy"], string> = {
  observation_masking: "older results of tools became short notes",
  summarization: "older messages became a summary",
  trim: "older messages were left out",
};

/** That the model is shown less of the conversation from here on. */
export const Compaction = memo(function Compaction({ item }: { item: CompactionItem }) {
  const words = compactionWords(item);
  if (item.summary === null && item.error === null) return <p className={styles.note}>{words}</p>;
  return (
    <Fold summary={<span className={styles.note}>{words}</span>}>
      {() => (
        <>
          {item.error !== null && (
            <p>
              There is no summary: <code>{item.error.code}</code> {item.error.message}
            </p>
          )}
          {item.summary !== null && <Markdown text={item.summary} />}
        </>
      )}
    </Fold>
  );
});

function compactionWords(item: CompactionItem): string {
  const before = `${item.messagesBefore} messages of about ${brief(item.tokensBefore)} tokens`;
  if (item.state === "running") return `Compacting ${before} for the model…`;
  if (item.state === "abandoned") return "The turn ended before the conversation was compacted.";
  const after = item.tokensAfter === null ? "" : `, now about ${brief(item.tokensAfter)} tokens`;
  const took = item.durationMs === null ? "" : ` (${duration(item.durationMs)})`;
  return `Compacted for the model: ${STRATEGIES[item.strategy]}; ${before}${after}${took}`;
}
