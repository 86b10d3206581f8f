import { type ReactNode, useId, useState } from "react";
import { ChevronIcon } from "../../parts/icons";
import styles from "./Fold.module.css";

interface FoldProps {
  /** What is seen while it is closed. */
  summary: ReactNode;
  isOpenAtFirst?: boolean;
  /** What is in it; it is made when it is opened first. */
  children: () => ReactNode;
}

/** Something that opens and closes, and stays so whatever happens around it. */
export function Fold({ summary, isOpenAtFirst = false, children }: FoldProps) {
  const [isOpen, setOpen] = useState(isOpenAtFirst);
  const id = useId();
  return (
    <div>
      <button
        type="button"
        className={styles.summary}
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        onClick={() => setOpen(!isOpen)}
      >
        <span className={styles.sign} data-open={isOpen}>
          <ChevronIcon />
        </span>
        {summary}
      </button>
      {isOpen && (
        <div id={id} className={styles.content}>
          {children()}
        </div>
      )}
    </div>
  );
}
