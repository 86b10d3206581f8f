import { Choice } from "../parts/Choice";
import { dayBefore } from "../parts/days";
import styles from "./PeriodChoice.module.css";
import { type Changes, type Period, type PeriodName, searchOf } from "./period";

const NAMES: Record<PeriodName, string> = {
  "1d": "Today",
  "7d": "7 d",
  "30d": "30 d",
  "90d": "90 d",
};

interface PeriodChoiceProps {
  period: Period;
  onChange: (changes: Changes) => void;
}

/** The period: one that has a name, or two days of a calendar. */
export function PeriodChoice({ period, onChange }: PeriodChoiceProps) {
  const today = dayBefore(new Date(), 0);

  function changeDays(first: string, last: string) {
    // A field that is being cleared has no day.
    if (first !== "" && last !== "") onChange({ period: undefined, ...searchOf(first, last) });
  }

  return (
    <div className={styles.period}>
      <Choice
        label="Period"
        options={NAMES}
        value={period.name}
        onChange={(name) => onChange({ period: name, from: undefined, to: undefined })}
      />
      <span className={styles.days}>
        <input
          type="date"
          aria-label="First day, in UTC"
          value={period.first}
          max={today}
          onChange={(event) => changeDays(event.target.value, period.last)}
        />
        <span aria-hidden="true">–</span>
        <input
          type="date"
          aria-label="Last day, in UTC"
          value={period.last}
          max={today}
          onChange={(event) => changeDays(period.first, event.target.value)}
        />
      </span>
    </div>
  );
}
