import { duration } from "../../parts/formats";
import type { Axis } from "./axis";
import type { Bar } from "./bars";
import { EventLink } from "./EventLink";
import styles from "./Timeline.module.css";
import { BarStripe, Track } from "./Track";
import type { Shown } from "./words";

interface BarRowProps {
  bar: Bar;
  turnStartMs: number;
  /** Until when a bar that lasts is drawn. */
  nowMs: number;
  axis: Axis;
  onPoint: (shown: Shown | null) => void;
}

/** A model's call, a tool, a wait or a compaction as a row. */
export function BarRow({ bar, turnStartMs, nowMs, axis, onPoint }: BarRowProps) {
  const endMs = bar.endMs ?? nowMs;
  const point = () => onPoint(bar);
  return (
    <tr onPointerEnter={point} onFocus={point}>
      <th scope="row">
        <span className={styles.name} style={{ "--level": bar.level }}>
          <span className="visually-hidden">{bar.kind} </span>
          <EventLink sequence={bar.sequence}>{bar.name}</EventLink>
          {bar.hasFailed && (
            <span className={styles.outcome} data-failed="true">
              failed
            </span>
          )}
        </span>
      </th>
      <td className={styles.number}>+{duration(bar.startMs - turnStartMs)}</td>
      <td className={styles.number}>
        {duration(endMs - bar.startMs)}
        {bar.endMs === null && <span className="visually-hidden"> so far</span>}
        {bar.firstTokenMs !== null && (
          <span className="visually-hidden">
            , first token after {duration(bar.firstTokenMs - bar.startMs)}
          </span>
        )}
      </td>
      <td className={styles.track}>
        <Track>
          <BarStripe bar={bar} nowMs={nowMs} axis={axis} />
        </Track>
      </td>
    </tr>
  );
}
