import { useState } from "react";
import { exact } from "../formats";
import { useLocalProblem } from "./context";
import { Field, type FieldProps } from "./Field";
import styles from "./field.module.css";

/** What a number must be. */
export interface NumberLimits {
  isWhole?: boolean | undefined;
  minimum?: number | undefined;
  maximum?: number | undefined;
  /** What it must be greater than. */
  above?: number | undefined;
  /** What it must be less than. */
  below?: number | undefined;
}

interface NumberFieldProps extends FieldProps, NumberLimits {
  /** Undefined where none is given. */
  value: number | undefined;
  onChange: (value: number | undefined) => void;
  placeholder?: string | undefined;
  /** What is counted, such as "seconds". */
  unit?: string | undefined;
}

/** A field for an optional number. Other text stays in it, with a message that it is wrong. */
export function NumberField({
  value,
  onChange,
  placeholder,
  unit,
  isWhole,
  minimum,
  maximum,
  above,
  below,
  ...field
}: NumberFieldProps) {
  // The text is kept apart from the number: "0." is on the way to one.
  const [typed, setTyped] = useState({ text: shown(value), value });
  const text = Object.is(typed.value, value) ? typed.text : shown(value);
  const problem = numberProblem(text, { isWhole, minimum, maximum, above, below });
  useLocalProblem(problem);

  function change(next: string) {
    const number = parsed(next);
    setTyped({ text: next, value: number });
    if (!Object.is(number, value)) onChange(number);
  }

  return (
    <Field {...field} problem={problem}>
      {(control) => (
        <span className={styles.measured}>
          <input
            {...control}
            className={styles.number}
            inputMode={isWhole ? "numeric" : "decimal"}
            autoComplete="off"
            value={text}
            placeholder={placeholder}
            onChange={(event) => change(event.target.value)}
          />
          {unit}
        </span>
      )}
    </Field>
  );
}

/** Return what is wrong with a text as a number within limits; none if it is empty. */
export function numberProblem(text: string, limits: NumberLimits): string | undefined {
  if (text.trim() === "") return undefined;
  const number = parsed(text);
  if (number === undefined) return "must be a number";
  if (limits.isWhole && !Number.isSafeInteger(number)) return "must be a whole number";
  const { minimum, maximum, above, below } = limits;
  if (minimum !== undefined && number < minimum) return `must be at least ${exact(minimum)}`;
  if (maximum !== undefined && number > maximum) return `must be at most ${exact(maximum)}`;
  if (above !== undefined && number <= above) return `must be greater than ${exact(above)}`;
  if (below !== undefined && number >= below) return `must be less than ${exact(below)}`;
  return undefined;
}

function parsed(text: string): number | undefined {
  const number = Number(text);
  return text.trim() === "" || !Number.isFinite(number) ? undefined : number;
}

function shown(value: number | undefined): string {
  return value === undefined ? "" : String(value);
}
