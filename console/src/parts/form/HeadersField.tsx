import { Button } from "../Button";
import { CrossIcon } from "../icons";
import { Field, type FieldProps } from "./Field";
import fieldStyles from "./field.module.css";
import styles from "./list.module.css";

/** What stands for a value that the server has and does not show. */
export const KEPT = "***";

/** One header of requests to somebody else's server. */
export interface Header {
  name: string;
  /** `***` keeps the value that the server has. */
  value: string;
}

interface HeadersFieldProps extends FieldProps {
  headers: readonly Header[];
  onChange: (headers: Header[]) => void;
}

/** A field for headers with secret values, which can be set and replaced but never read. */
export function HeadersField({ headers, onChange, ...field }: HeadersFieldProps) {
  function change(place: number, header: Header) {
    onChange(headers.map((other, index) => (index === place ? header : other)));
  }

  return (
    <Field {...field} coversBelow isGroup>
      {(control) => (
        <div className={styles.list}>
          {headers.length > 0 && (
            <ul className={styles.rows}>
              {headers.map((header, place) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: a name changes while it is typed.
                <li key={place} className={styles.header}>
                  <input
                    aria-label={`Name of header ${place + 1}`}
                    autoComplete="off"
                    spellCheck={false}
                    placeholder="Authorization"
                    value={header.name}
                    onChange={(event) => change(place, { ...header, name: event.target.value })}
                  />
                  {header.value === KEPT ? (
                    <span className={fieldStyles.measured}>
                      <span className={fieldStyles.set}>set</span>
                      <Button onClick={() => change(place, { ...header, value: "" })}>
                        Replace
                      </Button>
                    </span>
                  ) : (
                    <input
                      aria-label={`Value of header ${place + 1}`}
                      type="password"
                      autoComplete="off"
                      value={header.value}
                      onChange={(event) => change(place, { ...header, value: event.target.value })}
                    />
                  )}
                  <Button
                    tone="quiet"
                    aria-label={`Remove header ${header.name || place + 1}`}
                    onClick={() => onChange(headers.filter((_, index) => index !== place))}
                  >
                    <CrossIcon />
                  </Button>
                </li>
              ))}
            </ul>
          )}
          <Button
            aria-describedby={control["aria-describedby"]}
            className={styles.add}
            onClick={() => onChange([...headers, { name: "", value: "" }])}
          >
            Add a header
          </Button>
        </div>
      )}
    </Field>
  );
}

/** Return headers in the form of the wire; those without a name are left out. */
export function headersOnWire(headers: readonly Header[]): Record<string, string> {
  return Object.fromEntries(
    headers.filter(({ name }) => name.trim() !== "").map(({ name, value }) => [name.trim(), value]),
  );
}

/** Return the headers that the wire has. */
export function headersFromWire(headers: Record<string, string> | null | undefined): Header[] {
  return Object.entries(headers ?? {}).map(([name, value]) => ({ name, value }));
}
