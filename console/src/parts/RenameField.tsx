import { useEffect, useRef } from "react";
import type { Schemas } from "../api/client";
import styles from "./RenameField.module.css";
import { Failed } from "./State";
import { useRenameSession } from "./sessionChanges";

interface RenameFieldProps {
  session: Schemas["Session"];
  onClose: () => void;
}

/** A session's title as a field. Enter and leaving it save; Escape does not. */
export function RenameField({ session, onClose }: RenameFieldProps) {
  const field = useRef<HTMLInputElement>(null);
  const rename = useRenameSession(session.id);

  useEffect(() => field.current?.select(), []);

  function save() {
    const title = field.current?.value.trim() ?? "";
    if (rename.isPending) return;
    if (title === (session.title ?? "")) onClose();
    else rename.mutate(title, { onSuccess: onClose });
  }

  return (
    <>
      <input
        ref={field}
        // biome-ignore lint/a11y/noAutofocus: it was asked for a moment ago, and it is what comes next.
        autoFocus
        aria-label="Title"
        className={styles.rename}
        defaultValue={session.title ?? ""}
        maxLength={2048}
        aria-busy={rename.isPending}
        onBlur={save}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.nativeEvent.isComposing) save();
          if (event.key === "Escape") onClose();
        }}
      />
      {rename.error !== null && <Failed error={rename.error} />}
    </>
  );
}
