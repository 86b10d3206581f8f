import { type ReactNode, useId } from "react";
import field from "./field.module.css";
import styles from "./form.module.css";

interface SectionProps {
  title: string;
  /** What the section is about. */
  about?: ReactNode;
  /** What a folded section has, such as "2 tools"; without, it does not fold. */
  summary?: string;
  /** Whether it is unfolded at first. */
  startsOpen?: boolean;
  children: ReactNode;
}

/** Fields that belong together, below a heading. */
export function Section({ title, about, summary, startsOpen = false, children }: SectionProps) {
  const id = useId();
  const explained = about !== undefined && <p className={field.hint}>{about}</p>;
  if (summary === undefined) {
    return (
      <section aria-labelledby={id} className={styles.section}>
        <header>
          <h2 id={id}>{title}</h2>
          {explained}
        </header>
        {children}
      </section>
    );
  }
  return (
    <details className={styles.fold} open={startsOpen}>
      <summary>
        <h2>{title}</h2>
        <span className={field.quiet}>{summary}</span>
      </summary>
      <div className={styles.section}>
        {explained}
        {children}
      </div>
    </details>
  );
}
