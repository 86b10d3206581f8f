import type { ReactNode } from "react";
import type { Schemas } from "../api/client";
import { Money, Tokens } from "../parts/Amounts";
import { duration, exact } from "../parts/formats";
import styles from "./Totals.module.css";

/** The sums of a period. */
export function Totals({ sums }: { sums: Schemas["UsageSums"] }) {
  const { failed_turns: failed, turns, unpriced_calls: unpriced } = sums;
  return (
    <dl className={styles.totals}>
      <Total
        name="Spend"
        more={unpriced > 0 && `without ${exact(unpriced)} calls of unknown price`}
      >
        <Money dollars={sums.cost_usd} />
      </Total>
      <Total
        name="Tokens"
        more={
          <>
            <Tokens count={sums.input_tokens} /> in, <Tokens count={sums.output_tokens} /> out
          </>
        }
      >
        <Tokens count={sums.input_tokens + sums.output_tokens} />
      </Total>
      <Total name="Turns" more={`${exact(sums.model_calls)} model calls`}>
        {turns === null ? "–" : exact(turns)}
      </Total>
      <Total name="Failed turns" more={failed !== null && turns !== null && shareOf(failed, turns)}>
        <span className={failed !== null && failed > 0 ? styles.bad : undefined}>
          {failed === null ? "–" : exact(failed)}
        </span>
      </Total>
      <Total
        name="Turn time"
        more={sums.turn_p95_ms !== null && `p95 ${duration(sums.turn_p95_ms)}`}
      >
        <span title="Median of the completed turns">
          {sums.turn_p50_ms === null ? "–" : duration(sums.turn_p50_ms)}
        </span>
      </Total>
      <Total
        name="Tool calls"
        more={sums.failed_tool_calls !== null && `${exact(sums.failed_tool_calls)} failed`}
      >
        {sums.tool_calls === null ? "–" : exact(sums.tool_calls)}
      </Total>
    </dl>
  );
}

interface TotalProps {
  name: string;
  more: ReactNode;
  children: ReactNode;
}

function Total({ name, more, children }: TotalProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className={styles.figure}>{children}</dd>
      <dd className={styles.more}>{more}</dd>
    </div>
  );
}

function shareOf(part: number, whole: number): string {
  return whole === 0 ? "" : `${((100 * part) / whole).toFixed(1)}%`;
}
