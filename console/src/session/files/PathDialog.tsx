import { useId, useRef, useState } from "react";
import { Button } from "../../parts/Button";
import { Dialog } from "../../parts/Dialog";
import { Failed } from "../../parts/State";
import { refusalOfPath } from "./limits";
import styles from "./PathDialog.module.css";

interface PathDialogProps {
  title: string;
  /** What the button does. */
  action: string;
  /** The path to begin with. */
  path: string;
  isBusy: boolean;
  error: Error | null;
  onPath: (path: string) => void;
  onClose: () => void;
}

/** Ask for a path. */
export function PathDialog({
  title,
  action,
  path,
  isBusy,
  error,
  onPath,
  onClose,
}: PathDialogProps) {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [refusal, setRefusal] = useState<string | null>(null);

  function submit() {
    const given = field.current?.value.trim() ?? "";
    const refused = refusalOfPath(given);
    setRefusal(refused);
    if (refused === null && !isBusy) onPath(given);
  }

  return (
    <Dialog isOpen title={title} onClose={onClose}>
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <label htmlFor={id}>Path</label>
        <input
          id={id}
          ref={field}
          defaultValue={path}
          spellCheck={false}
          autoComplete="off"
          aria-invalid={refusal !== null}
          aria-describedby={`${id}-note`}
        />
        <p
          id={`${id}-note`}
          className={refusal === null ? styles.note : styles.refused}
          role={refusal === null ? undefined : "alert"}
        >
          {refusal ?? "Folders on the way are made if they are not there."}
        </p>
        {error !== null && <Failed error={error} />}
        <div className={styles.actions}>
          <Button type="submit" tone="primary" isBusy={isBusy}>
            {action}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
