import { Link } from "@tanstack/react-router";
import type { Schemas } from "../api/client";
import { Money, Tokens } from "../parts/Amounts";
import { dayBefore, daysBetween } from "../parts/days";
import { exact } from "../parts/formats";
import { Sparkline } from "../parts/Sparkline";
import { State } from "../parts/State";
import { useWeek } from "./queries";
import styles from "./Spend.module.css";

/** What was spent today and in the last seven days. */
export function Spend() {
  const week = useWeek();
  return (
    <section className={styles.spend}>
      <h2>Spend</h2>
      <State query={week} rows={4}>
        {(report) => {
          const now = new Date();
          const today = dayBefore(now, 0);
          const days = daysBetween(dayBefore(now, 6), today);
          const tokens = days.map((day) => tokensOf(report.data.find((row) => row.day === day)));
          return (
            <>
              <Sparkline
                values={tokens}
                label={`Tokens of the last seven days: ${tokens.map(exact).join(", ")}`}
              />
              <dl className={styles.figures}>
                <Figures name="Today" sums={report.data.find((row) => row.day === today)} />
                <Figures name="7 days" sums={report.total} />
              </dl>
              <Link to="/usage">All usage</Link>
            </>
          );
        }}
      </State>
    </section>
  );
}

function Figures({ name, sums }: { name: string; sums: Schemas["UsageSums"] | undefined }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <strong>
          <Money dollars={sums === undefined ? 0 : sums.cost_usd} />
        </strong>
        <span>
          <Tokens count={tokensOf(sums)} /> tokens
        </span>
        <span>
          {exact(sums?.turns ?? 0)} turns
          {(sums?.failed_turns ?? 0) > 0 && (
            <span className={styles.failed}>, {exact(sums?.failed_turns ?? 0)} failed</span>
          )}
        </span>
      </dd>
    </div>
  );
}

function tokensOf(sums: Schemas["UsageSums"] | undefined): number {
  return sums === undefined ? 0 : sums.input_tokens + sums.output_tokens;
}
