import type { ReactNode } from "react";
import styles from "./Head.module.css";
import { useTitle } from "./title";

interface HeadProps {
  /** The name of the screen, which is the title of the page as well. */
  title: string;
  /** What one can do with the whole screen: at most one primary button. */
  children?: ReactNode;
}

/** The head of a screen. */
export function Head({ title, children }: HeadProps) {
  useTitle(title);
  return (
    <header className={styles.head}>
      <h1>{title}</h1>
      {children !== undefined && <div className={styles.actions}>{children}</div>}
    </header>
  );
}
