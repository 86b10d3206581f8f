import { AlertDialog as Base } from "@base-ui/react/alert-dialog";
import type { ReactNode } from "react";
import { Button } from "./Button";
import styles from "./Dialog.module.css";
import { Failed } from "./State";

interface ConfirmProps {
  isOpen: boolean;
  onClose: () => void;
  /** The question, such as "Delete this provider?". */
  title: string;
  /** What will happen, in full. */
  children: ReactNode;
  /** What the confirming button does, such as "Delete provider". */
  action: string;
  onConfirm: () => void;
  isBusy?: boolean;
  error?: Error | null;
  /** Whether it can be undone; by default it cannot. */
  isHarmless?: boolean;
}

/** A question before something that cannot be undone. Focus begins on the way out. */
export function Confirm({
  isOpen,
  onClose,
  title,
  children,
  action,
  onConfirm,
  isBusy = false,
  error = null,
  isHarmless = false,
}: ConfirmProps) {
  return (
    <Base.Root open={isOpen} onOpenChange={(open) => !open && onClose()}>
      <Base.Portal>
        <Base.Backdrop className={styles.backdrop} />
        <Base.Popup className={styles.popup}>
          <Base.Title className={styles.title}>{title}</Base.Title>
          <Base.Description render={<div className={styles.description}>{children}</div>} />
          {error !== null && <Failed error={error} />}
          <div className={styles.actions}>
            <Base.Close render={<Button>Cancel</Button>} />
            <Button tone={isHarmless ? "primary" : "danger"} isBusy={isBusy} onClick={onConfirm}>
              {action}
            </Button>
          </div>
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}
