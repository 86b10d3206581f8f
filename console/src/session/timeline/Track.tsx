import type { ReactNode } from "react";
import { type Axis, placeOf, type Span } from "./axis";
import type { Bar, BarKind } from "./bars";
import styles from "./Track.module.css";

/** The width that bars are drawn on. The cells of its row say the same in words. */
export function Track({ children }: { children: ReactNode }) {
  return (
    <div className={styles.track} aria-hidden="true">
      {children}
    </div>
  );
}

interface StripeProps {
  kind: BarKind | "turn";
  span: Span;
  axis: Axis;
  firstTokenMs?: number | null;
  hasFailed?: boolean;
}

/** Something that took time, as a stripe from its beginning to its end. */
export function Stripe({ kind, span, axis, firstTokenMs = null, hasFailed = false }: StripeProps) {
  const { start, length } = placeOf(span, axis);
  const total = span.endMs - span.startMs;
  const first = firstTokenMs === null || total <= 0 ? null : (firstTokenMs - span.startMs) / total;
  return (
    <div
      className={styles.bar}
      data-kind={kind}
      data-failed={hasFailed}
      style={{
        "--start": `${start}%`,
        "--length": `${length}%`,
        ...(first !== null && { "--first": `${first * 100}%` }),
      }}
    >
      {first !== null && <div className={styles.first} />}
    </div>
  );
}

interface BarStripeProps {
  bar: Bar;
  /** Until when a bar that lasts is drawn. */
  nowMs: number;
  axis: Axis;
}

/** The stripe of a bar. */
export function BarStripe({ bar, nowMs, axis }: BarStripeProps) {
  const { kind, startMs, endMs, firstTokenMs, hasFailed } = bar;
  const span = { startMs, endMs: endMs ?? nowMs };
  return (
    <Stripe kind={kind} span={span} axis={axis} firstTokenMs={firstTokenMs} hasFailed={hasFailed} />
  );
}
