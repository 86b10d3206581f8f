import { Toggle } from "@base-ui/react/toggle";
import { ToggleGroup } from "@base-ui/react/toggle-group";
import styles from "./Choice.module.css";

interface ChoiceProps<Value extends string> {
  /** What is chosen. */
  label: string;
  /** The values with their names. */
  options: Readonly<Record<Value, string>>;
  /** The chosen value, or undefined if it is none of these. */
  value: Value | undefined;
  onChange: (value: Value) => void;
}

/** A row of a few values, one of which is chosen at once. Arrow keys go from one to the next. */
export function Choice<Value extends string>({
  label,
  options,
  value,
  onChange,
}: ChoiceProps<Value>) {
  const values = Object.keys(options) as Value[];
  return (
    <ToggleGroup
      aria-label={label}
      className={styles.choice}
      value={value === undefined ? [] : [value]}
      onValueChange={(chosen: string[]) => {
        const next = values.find((known) => known === chosen[0]);
        // A click on what is chosen leaves it chosen.
        if (next !== undefined) onChange(next);
      }}
    >
      {values.map((option) => (
        <Toggle key={option} value={option} className={styles.option}>
          {options[option]}
        </Toggle>
      ))}
    </ToggleGroup>
  );
}
