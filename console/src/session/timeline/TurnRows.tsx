import { memo, useState } from "react";
import { duration } from "../../parts/formats";
import { ChevronIcon } from "../../parts/icons";
import type { Turn } from "../log/types";
import { BarRow } from "./BarRow";
import type { Bar } from "./bars";
import { EventLink } from "./EventLink";
import styles from "./Timeline.module.css";
import { BarStripe, Stripe, Track } from "./Track";
import { nameOf, outcomeOf, type Shown } from "./words";

interface TurnRowsProps {
  turn: Turn;
  bars: readonly Bar[];
  startMs: number;
  endMs: number;
  axisStartMs: number;
  axisLengthMs: number;
  isOpenAtFirst: boolean;
  /** Whether somebody is to act, so that it can go on. */
  isWaiting: boolean;
  onPoint: (shown: Shown | null) => void;
}

/** A turn as a row, with what took time in it below. A turn that has ended is drawn once. */
export const TurnRows = memo(function TurnRows({
  turn,
  bars,
  startMs,
  endMs,
  axisStartMs,
  axisLengthMs,
  isOpenAtFirst,
  isWaiting,
  onPoint,
}: TurnRowsProps) {
  const [wasToggled, setToggled] = useState(false);
  const isOpen = isOpenAtFirst !== wasToggled;
  const axis = { startMs: axisStartMs, lengthMs: axisLengthMs };
  const outcome = outcomeOf(turn, isWaiting);
  const name = nameOf(turn);
  const shown: Shown = {
    name: outcome === null ? name : `${name} (${outcome})`,
    startMs,
    endMs: turn.isOpen ? null : endMs,
    firstTokenMs: null,
    note: null,
  };
  const point = () => onPoint(shown);
  const started = turn.events.find(({ type }) => type === "session.started") ?? turn.events[0];
  return (
    <tbody>
      <tr className={styles.turn} onPointerEnter={point} onFocus={point}>
        <th scope="row">
          <span className={styles.name}>
            <button
              type="button"
              className={styles.toggle}
              aria-expanded={isOpen}
              aria-label={`What took time in: ${name}`}
              disabled={bars.length === 0}
              onClick={() => setToggled(!wasToggled)}
            >
              <ChevronIcon />
            </button>
            <EventLink sequence={started?.sequence ?? null}>{name}</EventLink>
            {outcome !== null && (
              <span className={styles.outcome} data-failed={turn.outcome?.kind === "failed"}>
                {outcome}
              </span>
            )}
          </span>
        </th>
        <td className={styles.number}>
          <time dateTime={new Date(startMs).toISOString()} title={new Date(startMs).toISOString()}>
            {new Date(startMs).toLocaleTimeString("en-GB")}
          </time>
        </td>
        <td className={styles.number}>{duration(endMs - startMs)}</td>
        <td className={styles.track}>
          <Track>
            <Stripe kind="turn" span={{ startMs, endMs }} axis={axis} />
            {!isOpen &&
              bars.map((bar) => <BarStripe key={bar.key} bar={bar} nowMs={endMs} axis={axis} />)}
          </Track>
        </td>
      </tr>
      {isOpen &&
        bars.map((bar) => (
          <BarRow
            key={bar.key}
            bar={bar}
            turnStartMs={startMs}
            nowMs={endMs}
            axis={axis}
            onPoint={onPoint}
          />
        ))}
    </tbody>
  );
});
