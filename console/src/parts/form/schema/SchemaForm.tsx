import { isObject, isSame } from "../../json";
import { JsonField } from "../JsonField";
import { ListField } from "../ListField";
import { NumberField } from "../NumberField";
import { TextField } from "../TextField";
import { ChoiceControl, EitherControl } from "./alternatives";
import { ItemsControl } from "./ItemsControl";
import styles from "./schema.module.css";
import { canShow, type SchemaField, type Shape } from "./shapes";

/** A value, where it stands, and how it is changed. */
export interface ControlOf<Of extends Shape = Shape> {
  field: Omit<SchemaField, "shape">;
  shape: Of;
  /** Undefined where none is given. */
  value: unknown;
  onChange: (value: unknown) => void;
  /** The value's path on the wire. */
  path: string;
}

interface SchemaFormProps {
  shape: Shape & { kind: "group" };
  value: Record<string, unknown>;
  onChange: (value: Record<string, unknown>) => void;
  path: string;
}

/** The fields of an object that a JSON Schema describes. What it has besides is kept. */
export function SchemaForm({ shape, value, onChange, path }: SchemaFormProps) {
  const known = new Set(shape.fields.map(({ name }) => name));
  const others = Object.fromEntries(Object.entries(value).filter(([name]) => !known.has(name)));
  const hasOthers = Object.keys(others).length > 0;

  function change(name: string, next: unknown) {
    const { [name]: _before, ...rest } = value;
    onChange(next === undefined ? rest : { ...rest, [name]: next });
  }

  function changeOthers(next: unknown) {
    const kept = Object.fromEntries(Object.entries(value).filter(([name]) => known.has(name)));
    onChange({ ...kept, ...(isObject(next) ? next : {}) });
  }

  return (
    <div className={styles.fields}>
      {shape.fields.map(({ shape: of, ...field }) => (
        <div key={field.name} className={isShort(of) ? undefined : styles.whole}>
          <SchemaControl
            field={field}
            shape={of}
            value={value[field.name]}
            onChange={(next) => change(field.name, next)}
            path={`${path}.${field.name}`}
          />
        </div>
      ))}
      {(shape.isOpen || hasOthers) && (
        <div className={styles.whole}>
          <JsonField
            label="Other settings"
            kind="object"
            value={hasOthers ? others : undefined}
            onChange={changeOthers}
            placeholder="{}"
            lines={2}
          />
        </div>
      )}
    </div>
  );
}

/** Tell whether a control needs little room, so that several stand side by side. */
function isShort({ kind }: Shape): boolean {
  return ["text", "number", "choice", "either"].includes(kind);
}

/** The control for one value: that of its shape, or JSON where the value has another. */
export function SchemaControl({ field, shape, value, onChange, path }: ControlOf) {
  const { label, hint, isRequired, fallback } = field;
  const about = { label, hint, isRequired, name: path };
  const placeholder = fallback === undefined ? undefined : JSON.stringify(fallback);
  if (!canShow(shape, value)) return <JsonField {...about} value={value} onChange={onChange} />;
  switch (shape.kind) {
    case "text":
      return (
        <TextField
          {...about}
          value={typeof value === "string" ? value : ""}
          placeholder={typeof fallback === "string" ? fallback : undefined}
          onChange={(next) => onChange(next === "" ? undefined : next)}
        />
      );
    case "number":
      return (
        <NumberField
          {...about}
          {...shape.limits}
          value={typeof value === "number" ? value : undefined}
          placeholder={placeholder}
          onChange={onChange}
        />
      );
    case "choice":
      return <ChoiceControl {...{ field, shape, value, onChange, path }} />;
    case "texts":
      return (
        <ListField
          {...about}
          values={Array.isArray(value) ? value : []}
          onChange={(next) => onChange(next.length === 0 && !isRequired ? undefined : next)}
        />
      );
    case "list":
      return <ItemsControl {...{ field, shape, value, onChange, path }} />;
    case "group":
      return (
        <fieldset className={styles.group}>
          <legend>{label}</legend>
          {hint !== undefined && <p className={styles.hint}>{hint}</p>}
          <SchemaForm
            shape={shape}
            value={isObject(value) ? value : {}}
            onChange={(next) => onChange(isSame(next, {}) && !isRequired ? undefined : next)}
            path={path}
          />
        </fieldset>
      );
    case "either":
      return <EitherControl {...{ field, shape, value, onChange, path }} />;
    case "json":
      return (
        <JsonField
          {...about}
          kind={shape.is}
          value={value}
          onChange={onChange}
          placeholder={placeholder}
        />
      );
  }
}
