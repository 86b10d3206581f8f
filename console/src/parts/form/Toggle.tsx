import { Switch } from "@base-ui/react/switch";
import { type ReactNode, useId } from "react";
import { useServerProblem } from "./context";
import field from "./field.module.css";
import styles from "./toggle.module.css";

interface ToggleProps {
  label: string;
  hint?: ReactNode;
  name?: string | undefined;
  isOn: boolean;
  onChange: (isOn: boolean) => void;
  isDisabled?: boolean;
}

/** A switch with its label next to it. */
export function Toggle({ label, hint, name, isOn, onChange, isDisabled = false }: ToggleProps) {
  const id = useId();
  const problem = useServerProblem(name, false);
  const described = [
    hint === undefined ? undefined : `${id}-hint`,
    problem === undefined ? undefined : `${id}-problem`,
  ].filter((part) => part !== undefined);
  return (
    <div className={field.field}>
      <div className={styles.switching}>
        <Switch.Root
          className={styles.switch}
          aria-labelledby={`${id}-label`}
          aria-describedby={described.length === 0 ? undefined : described.join(" ")}
          aria-invalid={problem === undefined ? undefined : true}
          checked={isOn}
          disabled={isDisabled}
          onCheckedChange={onChange}
        >
          <Switch.Thumb className={styles.thumb} />
        </Switch.Root>
        {/* biome-ignore lint/a11y/noStaticElementInteractions lint/a11y/useKeyWithClickEvents: a larger target for the switch, which has the keys. */}
        <span id={`${id}-label`} onClick={() => !isDisabled && onChange(!isOn)}>
          {label}
        </span>
      </div>
      {problem !== undefined && (
        <p id={`${id}-problem`} className={field.problem}>
          {problem}
        </p>
      )}
      {hint !== undefined && (
        <p id={`${id}-hint`} className={field.hint}>
          {hint}
        </p>
      )}
    </div>
  );
}
