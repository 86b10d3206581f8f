import { Button } from "../../Button";
import { type ControlOf, SchemaControl } from "./SchemaForm";
import styles from "./schema.module.css";
import { beginning, type Shape } from "./shapes";

/** The items of a list, each with the control of its shape. */
export function ItemsControl({
  field,
  shape,
  value,
  onChange,
  path,
}: ControlOf<Shape & { kind: "list" }>) {
  const items: readonly unknown[] = Array.isArray(value) ? value : [];

  function change(next: unknown[]) {
    onChange(next.length === 0 && !field.isRequired ? undefined : next);
  }

  return (
    <fieldset className={styles.group}>
      <legend>{field.label}</legend>
      {field.hint !== undefined && <p className={styles.hint}>{field.hint}</p>}
      {items.map((item, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: items have no names of their own.
        <div key={place} className={styles.item}>
          <SchemaControl
            field={{
              name: String(place),
              label: `${field.label} ${place + 1}`,
              hint: undefined,
              isRequired: true,
              fallback: undefined,
            }}
            shape={shape.item}
            value={item}
            // A list has no gaps: what is cleared is as at its beginning.
            onChange={(next) =>
              change(
                items.map((other, index) =>
                  index === place ? (next ?? beginning(shape.item)) : other,
                ),
              )
            }
            path={`${path}.${place}`}
          />
          <Button onClick={() => change(items.filter((_, index) => index !== place))}>
            Remove {field.label.toLowerCase()} {place + 1}
          </Button>
        </div>
      ))}
      <Button className={styles.add} onClick={() => change([...items, beginning(shape.item)])}>
        Add to {field.label.toLowerCase()}
      </Button>
    </fieldset>
  );
}
