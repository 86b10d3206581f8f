import { exact } from "../formats";
import { Field, type FieldProps } from "./Field";
import styles from "./field.module.css";

interface TextFieldProps extends FieldProps {
  value: string;
  onChange: (value: string) => void;
  type?: "text" | "url" | "search";
  placeholder?: string | undefined;
  /** Whether it is code: in a fixed pitch, and not for the spelling checker. */
  isMono?: boolean | undefined;
}

/** A field for a line of text. */
export function TextField({
  value,
  onChange,
  type = "text",
  placeholder,
  isMono = false,
  ...field
}: TextFieldProps) {
  return (
    <Field {...field}>
      {(control) => (
        <input
          {...control}
          className={[styles.control, isMono && styles.mono].filter(Boolean).join(" ")}
          type={type}
          value={value}
          placeholder={placeholder}
          autoComplete="off"
          spellCheck={!isMono && type === "text"}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}

interface TextAreaFieldProps extends FieldProps {
  value: string;
  onChange: (value: string) => void;
  placeholder?: string | undefined;
  isMono?: boolean | undefined;
  /** How many lines it has at least; it grows with its text. */
  lines?: number;
  /** Whether it counts the characters. */
  counts?: boolean;
}

/** A field for lines of text. */
export function TextAreaField({
  value,
  onChange,
  placeholder,
  isMono = false,
  lines = 3,
  counts = false,
  ...field
}: TextAreaFieldProps) {
  return (
    <Field {...field} aside={counts ? `${exact([...value].length)} characters` : undefined}>
      {(control) => (
        <textarea
          {...control}
          className={[styles.control, styles.area, isMono && styles.mono].filter(Boolean).join(" ")}
          value={value}
          rows={lines}
          placeholder={placeholder}
          spellCheck={!isMono}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}
