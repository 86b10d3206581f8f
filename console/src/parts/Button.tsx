import type { ButtonHTMLAttributes } from "react";
import styles from "./Button.module.css";

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  /** How much it matters: `primary` once a screen at most, `danger` for what cannot be undone. */
  tone?: "plain" | "primary" | "quiet" | "danger";
  /** Whether its work is under way: it keeps its label and takes no more clicks. */
  isBusy?: boolean;
}

/** A button. */
export function Button({
  tone = "plain",
  isBusy = false,
  type = "button",
  className,
  onClick,
  ...rest
}: ButtonProps) {
  return (
    <button
      {...rest}
      type={type}
      aria-busy={isBusy}
      aria-disabled={isBusy || undefined}
      onClick={isBusy ? undefined : onClick}
      className={[styles.button, styles[tone], className].filter(Boolean).join(" ")}
    />
  );
}
