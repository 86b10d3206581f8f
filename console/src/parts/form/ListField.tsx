import { type KeyboardEvent, useState } from "react";
import { CrossIcon } from "../icons";
import { Field, type FieldProps } from "./Field";
import styles from "./list.module.css";

interface ListFieldProps extends FieldProps {
  values: readonly string[];
  onChange: (values: string[]) => void;
  placeholder?: string | undefined;
}

/**
 * A field for a list of texts: each is added with Enter, or when the field is left.
 *
 * A text that is in the list already is not added again.
 */
export function ListField({ values, onChange, placeholder, ...field }: ListFieldProps) {
  const [typed, setTyped] = useState("");

  function add(text: string) {
    const added = text.split(/\r?\n/).filter((line) => line.trim() !== "");
    const fresh = [...new Set(added)].filter((line) => !values.includes(line));
    setTyped("");
    if (fresh.length > 0) onChange([...values, ...fresh]);
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.key === "Enter" && !event.nativeEvent.isComposing) {
      // It must not save the form.
      event.preventDefault();
      add(typed);
    } else if (event.key === "Backspace" && typed === "" && values.length > 0) {
      onChange(values.slice(0, -1));
    }
  }

  return (
    <Field {...field} coversBelow>
      {(control) => (
        <div className={styles.list}>
          {values.length > 0 && (
            <ul className={styles.chips}>
              {values.map((value) => (
                <li key={value} className={styles.chip}>
                  <span>{value}</span>
                  <button
                    type="button"
                    aria-label={`Remove ${value}`}
                    onClick={() => onChange(values.filter((other) => other !== value))}
                  >
                    <CrossIcon />
                  </button>
                </li>
              ))}
            </ul>
          )}
          <input
            {...control}
            className={styles.adding}
            autoComplete="off"
            value={typed}
            placeholder={placeholder ?? "Add, then press Enter"}
            onChange={(event) => setTyped(event.target.value)}
            onKeyDown={onKeyDown}
            onBlur={() => add(typed)}
            onPaste={(event) => {
              const text = event.clipboardData.getData("text");
              if (!text.includes("\n")) return;
              event.preventDefault();
              add(text);
            }}
          />
        </div>
      )}
    </Field>
  );
}
