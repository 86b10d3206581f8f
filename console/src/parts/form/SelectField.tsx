import { Select } from "@base-ui/react/select";
import { CheckIcon, ChevronIcon } from "../icons";
import popup from "../Popup.module.css";
import { Field, type FieldProps } from "./Field";
import styles from "./select.module.css";

/** One of the values among which a select lets choose. */
export interface Option<Value extends string> {
  value: Value;
  label: string;
  /** What stands at the end of its line. */
  detail?: string | undefined;
}

/** Options with something in common. */
export interface OptionGroup<Value extends string> {
  label: string;
  options: readonly Option<Value>[];
}

interface SelectFieldProps<Value extends string> extends FieldProps {
  value: Value;
  onChange: (value: Value) => void;
  options?: readonly Option<Value>[];
  groups?: readonly OptionGroup<Value>[];
  /** What is shown while the value is none of the options. */
  placeholder?: string | undefined;
  isDisabled?: boolean | undefined;
}

/** A field for one of several values. Options without a group come first. */
export function SelectField<Value extends string>({
  value,
  onChange,
  options = [],
  groups = [],
  placeholder,
  isDisabled = false,
  ...field
}: SelectFieldProps<Value>) {
  const chosen = options.find((option) => option.value === value);
  const group = groups.find((one) => one.options.some((option) => option.value === value));
  const inGroup = group?.options.find((option) => option.value === value);
  const shown = inGroup === undefined ? chosen?.label : `${group?.label} / ${inGroup.label}`;
  return (
    <Field {...field}>
      {(control) => (
        <Select.Root
          id={control.id}
          value={value}
          disabled={isDisabled}
          onValueChange={(next) => next !== null && onChange(next)}
        >
          <Select.Trigger
            className={styles.select}
            aria-describedby={control["aria-describedby"]}
            aria-invalid={control["aria-invalid"]}
          >
            <Select.Value className={styles.chosen}>{shown ?? placeholder ?? value}</Select.Value>
            <ChevronIcon />
          </Select.Trigger>
          <Select.Portal>
            <Select.Positioner
              className={popup.positioner}
              sideOffset={4}
              alignItemWithTrigger={false}
            >
              <Select.Popup className={popup.popup}>
                {options.map((option) => (
                  <Item key={option.value} option={option} />
                ))}
                {groups.map((group) => (
                  <Select.Group key={group.label}>
                    <Select.GroupLabel className={popup.group}>{group.label}</Select.GroupLabel>
                    {group.options.map((option) => (
                      <Item key={option.value} option={option} />
                    ))}
                  </Select.Group>
                ))}
              </Select.Popup>
            </Select.Positioner>
          </Select.Portal>
        </Select.Root>
      )}
    </Field>
  );
}

function Item<Value extends string>({ option }: { option: Option<Value> }) {
  return (
    <Select.Item className={popup.item} value={option.value} label={option.label}>
      <Select.ItemIndicator>
        <CheckIcon />
      </Select.ItemIndicator>
      <Select.ItemText className={popup.text}>{option.label}</Select.ItemText>
      {option.detail !== undefined && <span className={popup.detail}>{option.detail}</span>}
    </Select.Item>
  );
}
