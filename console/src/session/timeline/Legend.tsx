import type { BarKind } from "./bars";
import styles from "./Timeline.module.css";
import { Stripe, Track } from "./Track";

const KINDS: readonly { kind: BarKind; words: string; firstTokenMs?: number }[] = [
  { kind: "model", words: "model, first token marked", firstTokenMs: 40 },
  { kind: "tool", words: "tool" },
  { kind: "wait", words: "wait" },
  { kind: "compaction", words: "compaction" },
];
const WHOLE = { startMs: 0, endMs: 100 };
const AXIS = { startMs: 0, lengthMs: 100 };

/** What the bars stand for. */
export function Legend() {
  return (
    <ul className={styles.legend} aria-hidden="true">
      {KINDS.map(({ kind, words, firstTokenMs }) => (
        <li key={kind}>
          <span className={styles.sample}>
            <Track>
              <Stripe kind={kind} span={WHOLE} axis={AXIS} firstTokenMs={firstTokenMs ?? null} />
            </Track>
          </span>
          {words}
        </li>
      ))}
    </ul>
  );
}
