import { Link } from "@tanstack/react-router";
import { Money, Tokens } from "../parts/Amounts";
import { duration, exact } from "../parts/formats";
import { State } from "../parts/State";
import styles from "./Agent.module.css";
import { useUsageOf } from "./queries";

/** What an agent has used in 30 days. */
export function Spend({ agentId }: { agentId: string }) {
  const usage = useUsageOf(agentId);
  return (
    <section className={styles.panel}>
      <h2>Last 30 days</h2>
      <State query={usage} rows={4}>
        {({ total }) => (
          <dl className={styles.facts}>
            <dt>Cost</dt>
            <dd>
              <Money dollars={total.cost_usd} />
            </dd>
            <dt>Tokens in</dt>
            <dd>
              <Tokens count={total.input_tokens} />
            </dd>
            <dt>Tokens out</dt>
            <dd>
              <Tokens count={total.output_tokens} />
            </dd>
            <dt>Turns</dt>
            <dd>{exact(total.turns ?? 0)}</dd>
            <dt>Failed turns</dt>
            <dd>{exact(total.failed_turns ?? 0)}</dd>
            <dt>Median turn time</dt>
            <dd>{total.turn_p50_ms === null ? "–" : duration(total.turn_p50_ms)}</dd>
          </dl>
        )}
      </State>
      <Link to="/usage" search={{ agent: agentId }}>
        Usage by day
      </Link>
    </section>
  );
}
