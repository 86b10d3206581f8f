import { useEffect, useRef, useState } from "react";
import { sessionName } from "../api/displayNames";
import { RenameField } from "../parts/RenameField";
import type { Session } from "./queries";
import styles from "./Title.module.css";

/** The title of a session, which is changed in place. */
export function Title({ session }: { session: Session }) {
  const [isEdited, setEdited] = useState(false);
  const edit = useRef<HTMLButtonElement>(null);
  const returnsFocus = useRef(false);
  const title = sessionName(session);

  // The button is there again only when the field has gone.
  useEffect(() => {
    if (isEdited || !returnsFocus.current) return;
    returnsFocus.current = false;
    // Whoever saved by going elsewhere stays there.
    if (document.activeElement === document.body) edit.current?.focus();
  }, [isEdited]);

  function close() {
    setEdited(false);
    returnsFocus.current = true;
  }

  if (isEdited) {
    return (
      <div className={styles.title}>
        <h1 className="visually-hidden">{title}</h1>
        <RenameField session={session} onClose={close} />
      </div>
    );
  }
  return (
    <h1 className={styles.title}>
      <button
        type="button"
        ref={edit}
        className={styles.shown}
        title="Rename"
        onClick={() => setEdited(true)}
      >
        {title}
      </button>
    </h1>
  );
}
