/** Where times are drawn. */

/** From when to when something went on. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** What the width of the timeline stands for. */
export interface Axis {
  /** The time at the left edge. */
  readonly startMs: number;
  readonly lengthMs: number;
}

/** What fills the width: each turn, or all turns one after another. */
export type Scale = "turn" | "session";

/**
 * Return the axis of each turn.
 *
 * On the scale of the session turns follow each other without the pauses between them, in which
 * nothing happened and which can last for days.
 */
export function axesOf(spans: readonly Span[], scale: Scale): Axis[] {
  const lengths = spans.map(({ startMs, endMs }) => Math.max(endMs - startMs, 1));
  if (scale === "turn") {
    return spans.map(({ startMs }, turn) => ({ startMs, lengthMs: lengths[turn] ?? 1 }));
  }
  const total = lengths.reduce((sum, length) => sum + length, 0);
  let passed = 0;
  return spans.map(({ startMs }, turn) => {
    const axis = { startMs: startMs - passed, lengthMs: total };
    passed += lengths[turn] ?? 1;
    return axis;
  });
}

/** Return where a span is drawn, in hundredths of the width. */
export function placeOf({ startMs, endMs }: Span, axis: Axis): { start: number; length: number } {
  const start = clamped(((startMs - axis.startMs) / axis.lengthMs) * 100);
  const end = clamped(((endMs - axis.startMs) / axis.lengthMs) * 100);
  return { start, length: Math.max(end - start, 0) };
}

function clamped(percent: number): number {
  return Math.min(Math.max(percent, 0), 100);
}
