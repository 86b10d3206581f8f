import { isSame } from "../../json";
import { type Option, SelectField } from "../SelectField";
import { type ControlOf, SchemaControl } from "./SchemaForm";
import styles from "./schema.module.css";
import { type Alternative, beginning, canShow, type Shape } from "./shapes";

const UNSET = "unset";

/** A select of one of the values that there are. */
export function ChoiceControl({
  field,
  shape,
  value,
  onChange,
  path,
}: ControlOf<Shape & { kind: "choice" }>) {
  return (
    <SelectField
      label={field.label}
      hint={field.hint}
      isRequired={field.isRequired}
      name={path}
      value={value === undefined ? UNSET : JSON.stringify(value)}
      options={[...unset(field), ...shape.values.map(constant)]}
      onChange={(next) => onChange(next === UNSET ? undefined : JSON.parse(next))}
    />
  );
}

/** A select of the value's kind, and below it the control for this kind. */
export function EitherControl({
  field,
  shape,
  value,
  onChange,
  path,
}: ControlOf<Shape & { kind: "either" }>) {
  const constants = shape.shapes.flatMap((one) => (one.kind === "choice" ? one.values : []));
  const others = shape.shapes.filter((one) => one.kind !== "choice");
  const isConstant = constants.some((one) => isSame(one, value));
  const place =
    value === undefined || isConstant ? -1 : others.findIndex((one) => canShow(one, value));
  const chosen = others[place];

  function choose(next: string) {
    const other = others.find((_, index) => kindName(index) === next);
    if (other !== undefined) onChange(beginning(other));
    else onChange(next === UNSET ? undefined : JSON.parse(next));
  }

  function changeInner(next: unknown) {
    // An emptied list is still a list; an emptied number has no value.
    const isEmptied = next === undefined && chosen !== undefined && chosen.kind !== "number";
    onChange(isEmptied ? beginning(chosen) : next);
  }

  return (
    <div className={styles.either}>
      <SelectField
        label={field.label}
        hint={field.hint}
        isRequired={field.isRequired}
        name={path}
        value={
          chosen !== undefined
            ? kindName(place)
            : value === undefined
              ? UNSET
              : JSON.stringify(value)
        }
        options={[
          ...unset(field),
          ...constants.map(constant),
          ...others.map((one, index) => ({ value: kindName(index), label: kindLabel(one) })),
        ]}
        onChange={choose}
      />
      {chosen !== undefined && (
        <div className={styles.inner}>
          <SchemaControl
            field={{ ...field, label: kindLabel(chosen), hint: undefined, fallback: undefined }}
            shape={chosen}
            value={value}
            onChange={changeInner}
            path={path}
          />
        </div>
      )}
    </div>
  );
}

function unset({ isRequired, fallback }: ControlOf["field"]): Option<string>[] {
  if (isRequired) return [];
  const label = fallback === undefined ? "Not set" : `Default: ${words(fallback)}`;
  return [{ value: UNSET, label }];
}

function constant(value: unknown): Option<string> {
  return { value: JSON.stringify(value), label: words(value) };
}

function words(value: unknown): string {
  if (value === true) return "on";
  if (value === false) return "off";
  if (value === null) return "none";
  return typeof value === "string" ? value : JSON.stringify(value);
}

// No JSON begins like this, so it cannot be the value of a constant.
function kindName(place: number): string {
  return `kind ${place}`;
}

function kindLabel(shape: Alternative): string {
  if (shape.title !== undefined) return shape.title;
  switch (shape.kind) {
    case "text":
      return "A text";
    case "number":
      return shape.limits.isWhole ? "A whole number" : "A number";
    case "texts":
      return "A list of texts";
    case "list":
      return "A list";
    case "group":
      return "Settings";
    default:
      return "JSON";
  }
}
