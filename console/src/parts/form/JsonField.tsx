import { useState } from "react";
import { isSame } from "../json";
import { useLocalProblem } from "./context";
import { Field, type FieldProps } from "./Field";
import styles from "./field.module.css";

interface JsonFieldProps extends FieldProps {
  /** Undefined where none is given. */
  value: unknown;
  onChange: (value: unknown) => void;
  /** What the value must be, if not anything. */
  kind?: "object" | "array" | undefined;
  lines?: number;
  placeholder?: string | undefined;
}

/** A field for a value in JSON, checked as it is typed. An empty field means no value. */
export function JsonField({
  value,
  onChange,
  kind,
  lines = 4,
  placeholder,
  ...field
}: JsonFieldProps) {
  // The text is kept apart from the value, or typing would be formatted under the cursor.
  const [typed, setTyped] = useState({ text: shown(value), value });
  const text = isSame(typed.value, value) ? typed.text : shown(value);
  const read = readJson(text, kind);
  useLocalProblem(read.problem);

  function change(next: string) {
    const { problem, value: changed } = readJson(next, kind);
    // What cannot be read changes nothing; the form cannot be saved until it can.
    const kept = problem === undefined ? changed : value;
    setTyped({ text: next, value: kept });
    if (!isSame(kept, value)) onChange(kept);
  }

  return (
    <Field {...field} problem={read.problem} coversBelow>
      {(control) => (
        <textarea
          {...control}
          className={`${styles.control} ${styles.area} ${styles.mono}`}
          value={text}
          rows={lines}
          spellCheck={false}
          placeholder={placeholder}
          onChange={(event) => change(event.target.value)}
        />
      )}
    </Field>
  );
}

/** Return the value that a text says in JSON, or what is wrong with it. */
export function readJson(
  text: string,
  kind: "object" | "array" | undefined,
): { value: unknown; problem?: undefined } | { value?: undefined; problem: string } {
  if (text.trim() === "") return { value: undefined };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { problem: `is not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
  const is = Array.isArray(value) ? "array" : typeof value;
  if (kind === "array" && is !== "array") return { problem: "must be a list, in [ ]" };
  if (kind === "object" && (is !== "object" || value === null)) {
    return { problem: "must be an object, in { }" };
  }
  return { value };
}

function shown(value: unknown): string {
  return value === undefined ? "" : JSON.stringify(value, null, 2);
}
