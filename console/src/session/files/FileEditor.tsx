import { useId, useRef, useState } from "react";
import { Button } from "../../parts/Button";
import { UnsavedChanges } from "../../parts/form/UnsavedChanges";
import { LongText } from "../../parts/LongText";
import { Failed } from "../../parts/State";
import styles from "./FileEditor.module.css";
import { MAX_FILE_BYTES } from "./limits";
import { ChangedMeanwhile, useSave, type WorkspaceFile } from "./queries";

interface FileEditorProps {
  workspaceId: string;
  /** The file as it was when editing began. */
  opened: WorkspaceFile;
  /** Whether the list already shows that somebody else has changed it. */
  isChanged: boolean;
  onClose: () => void;
}

/** A text file as a field. Nothing that somebody else has written is replaced unasked. */
export function FileEditor({ workspaceId, opened, isChanged, onClose }: FileEditorProps) {
  const id = useId();
  const field = useRef<HTMLTextAreaElement>(null);
  const [isDirty, setDirty] = useState(false);
  const [tooLarge, setTooLarge] = useState(false);
  const save = useSave(workspaceId, opened.path);
  const conflict = save.error instanceof ChangedMeanwhile ? save.error : null;

  /** Save, if the file is still in the state that is to be replaced. */
  function submit(replaced: string) {
    const text = field.current?.value ?? "";
    if (text === opened.content) {
      onClose();
      return;
    }
    const isTooLarge = new TextEncoder().encode(text).length > MAX_FILE_BYTES;
    setTooLarge(isTooLarge);
    if (isTooLarge || save.isPending) return;
    save.mutate({ text, replaced }, { onSuccess: onClose });
  }

  return (
    <form
      className={styles.editor}
      onSubmit={(event) => {
        event.preventDefault();
        submit(opened.tag);
      }}
    >
      <label htmlFor={id} className="visually-hidden">
        Text of {opened.path}
      </label>
      <textarea
        id={id}
        ref={field}
        // biome-ignore lint/a11y/noAutofocus: editing was asked for a moment ago.
        autoFocus
        defaultValue={opened.content ?? ""}
        className={styles.text}
        spellCheck={false}
        wrap="off"
        onChange={() => setDirty(true)}
        onKeyDown={(event) => {
          if ((event.ctrlKey || event.metaKey) && event.key === "s") {
            event.preventDefault();
            submit(opened.tag);
          }
        }}
      />
      {tooLarge && (
        <p role="alert" className={styles.refused}>
          Not saved: a file can have 1 MB at most.
        </p>
      )}
      {isChanged && conflict === null && (
        <p role="status" className={styles.changed}>
          The file was changed since you opened it. Saving will ask before it is replaced.
        </p>
      )}
      {save.error !== null && conflict === null && <Failed error={save.error} />}
      {conflict !== null && (
        <div className={styles.changed}>
          <p role="alert">{conflict.message} Your text is not saved.</p>
          <details>
            <summary>Its current content</summary>
            <LongText text={conflict.theirs.content ?? ""} />
          </details>
          <Button tone="danger" isBusy={save.isPending} onClick={() => submit(conflict.theirs.tag)}>
            Replace it with mine
          </Button>
        </div>
      )}
      <div className={styles.actions}>
        <Button type="submit" tone="primary" isBusy={save.isPending}>
          Save
        </Button>
        <Button onClick={onClose}>{isDirty ? "Discard my changes" : "Close"}</Button>
      </div>
      <UnsavedChanges isDirty={isDirty && !save.isSuccess} />
    </form>
  );
}
