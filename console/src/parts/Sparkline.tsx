import styles from "./Sparkline.module.css";

const BAR = 6;
const GAP = 2;
const HEIGHT = 24;

interface SparklineProps {
  values: readonly number[];
  /** What it shows, in a sentence. */
  label: string;
}

/** A row of small bars, one for each value, without axes. */
export function Sparkline({ values, label }: SparklineProps) {
  const most = Math.max(...values, 0);
  const width = values.length * (BAR + GAP) - GAP;
  return (
    <svg
      role="img"
      aria-label={label}
      className={styles.sparkline}
      width={width}
      height={HEIGHT}
      viewBox={`0 0 ${width} ${HEIGHT}`}
    >
      {values.map((value, place) => {
        // A day without anything keeps a line, so that one sees that it is there.
        const height = most === 0 ? 1 : Math.max(1, (value / most) * HEIGHT);
        return (
          <rect
            // biome-ignore lint/suspicious/noArrayIndexKey: a bar is its place.
            key={place}
            x={place * (BAR + GAP)}
            y={HEIGHT - height}
            width={BAR}
            height={height}
          />
        );
      })}
    </svg>
  );
}
