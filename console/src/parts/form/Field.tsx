import { type ReactNode, useId } from "react";
import { useServerProblem } from "./context";
import styles from "./field.module.css";

/** What every field has. */
export interface FieldProps {
  label: string;
  /** What the value is for, and its limits. */
  hint?: ReactNode;
  /** The field's path on the wire, by which the server says that it is wrong. */
  name?: string | undefined;
  isRequired?: boolean | undefined;
}

/** What a control needs to belong to its label, hint and problem. */
export interface ControlProps {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": boolean | undefined;
}

interface FieldFrameProps extends FieldProps {
  /** What is wrong before anything is sent. It comes before what the server said. */
  problem?: string | undefined;
  /** Whether it shows what the server says about anything below its path. */
  coversBelow?: boolean | undefined;
  /** Whether it has several controls, each with a name of its own. */
  isGroup?: boolean | undefined;
  /** What stands at the end of the label's line. */
  aside?: ReactNode;
  children: (control: ControlProps) => ReactNode;
}

/** A control with its label, its hint and what is wrong with its value. */
export function Field({
  label,
  hint,
  name,
  isRequired = false,
  problem,
  coversBelow = false,
  isGroup = false,
  aside,
  children,
}: FieldFrameProps) {
  const id = useId();
  const said = useServerProblem(name, coversBelow);
  const wrong = problem ?? said;
  const described = [
    hint === undefined ? undefined : `${id}-hint`,
    wrong === undefined ? undefined : `${id}-problem`,
  ].filter((part) => part !== undefined);
  const Frame = isGroup ? "fieldset" : "div";
  const Heading = isGroup ? "legend" : "div";
  return (
    <Frame className={styles.field}>
      <Heading className={styles.heading}>
        {isGroup ? label : <label htmlFor={id}>{label}</label>}
        {isRequired && <span className={styles.quiet}>required</span>}
        {aside !== undefined && <span className={styles.aside}>{aside}</span>}
      </Heading>
      {children({
        id,
        "aria-describedby": described.length === 0 ? undefined : described.join(" "),
        "aria-invalid": wrong === undefined ? undefined : true,
      })}
      {wrong !== undefined && (
        <p id={`${id}-problem`} className={styles.problem}>
          {wrong}
        </p>
      )}
      {hint !== undefined && (
        <p id={`${id}-hint`} className={styles.hint}>
          {hint}
        </p>
      )}
    </Frame>
  );
}
