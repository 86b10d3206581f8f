import { Dialog as Base } from "@base-ui/react/dialog";
import type { ReactNode } from "react";
import { Button } from "./Button";
import styles from "./Dialog.module.css";

interface DialogProps {
  isOpen: boolean;
  /**
   * Called when the user closes it: with Escape, a click outside it, or its button. Without this,
   * the user cannot close it.
   */
  onClose?: () => void;
  title: string;
  /** What it is about, in a sentence that is read aloud with the title. */
  description?: ReactNode;
  /** Whether it needs the width of a form. */
  isWide?: boolean;
  children?: ReactNode;
}

/** A dialog over the page. Focus goes into it, and back where it was when it closes. */
export function Dialog({ isOpen, onClose, title, description, isWide, children }: DialogProps) {
  return (
    <Base.Root open={isOpen} onOpenChange={(open) => !open && onClose?.()}>
      <Base.Portal>
        <Base.Backdrop className={styles.backdrop} />
        <Base.Popup className={[styles.popup, isWide && styles.wide].filter(Boolean).join(" ")}>
          <header className={styles.header}>
            <Base.Title className={styles.title}>{title}</Base.Title>
            {onClose !== undefined && <Base.Close render={<Button tone="quiet">Close</Button>} />}
          </header>
          {description !== undefined && (
            <Base.Description render={<div className={styles.description}>{description}</div>} />
          )}
          {children}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}
