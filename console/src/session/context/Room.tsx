import { Tokens } from "../../parts/Amounts";
import { exact } from "../../parts/formats";
import styles from "./Context.module.css";
import type { ModelContext } from "./queries";

/** How much of the model's context is taken, and by what. */
export function Room({ context }: { context: ModelContext }) {
  const { tokens, model } = context;
  const parts = [
    { name: "System prompt", count: tokens.system_prompt },
    { name: "Tools", count: tokens.tools },
    { name: "Messages", count: tokens.messages },
  ];
  const whole = Math.max(tokens.limit ?? tokens.total, tokens.total, 1);
  return (
    <section aria-labelledby="context-room">
      <h2 id="context-room">
        What <code>{model}</code> would be shown next
      </h2>
      <svg
        className={styles.bar}
        viewBox="0 0 1000 10"
        preserveAspectRatio="none"
        role="img"
        aria-label={`${exact(tokens.total)} of ${exact(whole)} tokens are taken`}
      >
        <rect width="1000" height="10" className={styles.free} />
        {parts.map(({ name, count }, at) => (
          <rect
            key={name}
            x={(sumBefore(parts, at) / whole) * 1000}
            width={(count / whole) * 1000}
            height="10"
            data-part={at}
          />
        ))}
      </svg>
      <dl className={styles.counts}>
        {parts.map(({ name, count }, at) => (
          <div key={name}>
            <dt data-part={at}>{name}</dt>
            <dd>
              <Tokens count={count} />
            </dd>
          </div>
        ))}
        <div>
          <dt>Total</dt>
          <dd>
            <Tokens count={tokens.total} />
          </dd>
        </div>
        {tokens.limit != null && (
          <div>
            <dt>Model limit</dt>
            <dd>
              <Tokens count={tokens.limit} />
            </dd>
          </div>
        )}
        {tokens.room != null && (
          <div>
            <dt>Compacted above</dt>
            <dd>
              <Tokens count={tokens.room} />
            </dd>
          </div>
        )}
      </dl>
      <p className={styles.hint}>
        Tokens are estimates, one for every four bytes.
        {context.prepared_anew.length > 0 &&
          ` ${context.prepared_anew.join(", ")} will be prepared again when the next turn begins.`}
      </p>
    </section>
  );
}

function sumBefore(parts: readonly { count: number }[], end: number): number {
  return parts.slice(0, end).reduce((sum, { count }) => sum + count, 0);
}
