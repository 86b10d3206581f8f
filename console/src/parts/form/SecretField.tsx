import { useState } from "react";
import { Button } from "../Button";
import { Field, type FieldProps } from "./Field";
import styles from "./field.module.css";

interface SecretFieldProps extends FieldProps {
  /** Whether the server has one. It is never shown. */
  isSet: boolean;
  /** The new one; null to remove it, undefined to keep what there is. */
  value: string | null | undefined;
  onChange: (value: string | null | undefined) => void;
  /** Whether it can be removed. */
  isRemovable?: boolean;
}

/** A field for a secret, which can be set, replaced and removed but never read. */
export function SecretField({
  isSet,
  value,
  onChange,
  isRemovable = true,
  ...field
}: SecretFieldProps) {
  const [isReplacing, setReplacing] = useState(false);
  const isTyping = !isSet || isReplacing || typeof value === "string";

  function keep() {
    setReplacing(false);
    onChange(undefined);
  }

  return (
    <Field {...field}>
      {(control) => {
        if (isTyping) {
          return (
            <span className={styles.measured}>
              <input
                {...control}
                className={styles.control}
                type="password"
                autoComplete="off"
                spellCheck={false}
                value={value ?? ""}
                onChange={(event) =>
                  onChange(event.target.value === "" ? undefined : event.target.value)
                }
              />
              {isSet && <Button onClick={keep}>Keep the old one</Button>}
            </span>
          );
        }
        return (
          <span className={styles.measured}>
            <span id={control.id} className={styles.set}>
              {value === null ? "will be removed" : "set"}
            </span>
            {value === null ? (
              <Button onClick={keep}>Keep it</Button>
            ) : (
              <Button onClick={() => setReplacing(true)}>Replace</Button>
            )}
            {isRemovable && value !== null && (
              <Button onClick={() => onChange(null)}>Remove</Button>
            )}
          </span>
        );
      }}
    </Field>
  );
}
