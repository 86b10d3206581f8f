import type { ReactNode } from "react";
import styles from "./form.module.css";

interface FoldProps {
  title: ReactNode;
  startsOpen?: boolean;
  children: ReactNode;
}

/** Fields of one of several things, folded below its name. */
export function Fold({ title, startsOpen = false, children }: FoldProps) {
  return (
    <details className={`${styles.fold} ${styles.one}`} open={startsOpen}>
      <summary>{title}</summary>
      <div className={styles.section}>{children}</div>
    </details>
  );
}
