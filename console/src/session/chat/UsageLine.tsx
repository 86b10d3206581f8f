import { Money, Tokens } from "../../parts/Amounts";
import { duration } from "../../parts/formats";
import type { AnswerItem } from "../log/itemTypes";
import styles from "./UsageLine.module.css";

/** What an answer took: model, tokens, money and time. */
export function UsageLine({ item }: { item: AnswerItem }) {
  const { model, usage, timing } = item;
  if (model === null && usage === null && timing === null) return null;
  return (
    <ul className={styles.line} aria-label="What the answer took">
      {model !== null && <li>{model}</li>}
      {usage !== null && (
        <li>
          <Tokens count={usage.input_tokens} /> in, <Tokens count={usage.output_tokens} /> out
        </li>
      )}
      {usage?.cache_read_tokens != null && usage.cache_read_tokens > 0 && (
        <li>
          <Tokens count={usage.cache_read_tokens} /> from the cache
        </li>
      )}
      {usage?.estimated_cost_usd != null && (
        <li>
          <Money dollars={usage.estimated_cost_usd} />
        </li>
      )}
      {timing?.first_token_ms != null && (
        <li>first token after {duration(timing.first_token_ms - timing.started_ms)}</li>
      )}
      {timing !== null && <li>{duration(timing.ended_ms - timing.started_ms)} in all</li>}
      {timing !== null && timing.attempts > 1 && <li>{timing.attempts} attempts</li>}
    </ul>
  );
}
