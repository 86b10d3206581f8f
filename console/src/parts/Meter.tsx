import styles from "./Meter.module.css";

const WIDTH = 64;
const HEIGHT = 6;

interface MeterProps {
  value: number;
  most: number;
  /** The value in words, shown next to the bar. */
  label: string;
}

/** A small bar for a part of a whole, with its words. */
export function Meter({ value, most, label }: MeterProps) {
  const share = most <= 0 ? 0 : Math.min(1, Math.max(0, value / most));
  return (
    <span className={styles.meter}>
      <svg aria-hidden="true" width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`}>
        <rect className={styles.whole} width={WIDTH} height={HEIGHT} rx="2" />
        <rect className={styles.part} width={WIDTH * share} height={HEIGHT} rx="2" />
      </svg>
      {label}
    </span>
  );
}
