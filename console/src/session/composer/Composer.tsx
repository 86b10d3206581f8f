import {
  type ClipboardEvent,
  type DragEvent,
  type FormEvent,
  type KeyboardEvent,
  useEffect,
  useRef,
  useState,
} from "react";
import { Button } from "../../parts/Button";
import { useEnterSends } from "../../parts/enterSends";
import { withCommand } from "../../parts/platform";
import { Failed } from "../../parts/State";
import { useFollowed, useFollower, useSessionId } from "../followed";
import { type Controls, useCancel } from "../queries";
import { AnswerOptions, controlsIn } from "./AnswerOptions";
import { AttachedFiles } from "./AttachedFiles";
import { partsOf } from "./attachments";
import styles from "./Composer.module.css";
import { keepText, keptText } from "./kept";
import { actionOf } from "./keys";
import type { Part } from "./outbox";
import { sentTexts } from "./recall";
import { useAttached } from "./useAttached";
import { useStop } from "./useStop";

interface ComposerProps {
  /** A text to go on with, such as that of a message that could not be sent. */
  recalled: { text: string } | null;
  onSend: (parts: readonly Part[], controls: Controls | null) => void;
}

/** The field in which messages are written. Its text is the document's own, however long it is. */
export function Composer({ recalled, onSend }: ComposerProps) {
  const sessionId = useSessionId();
  const follower = useFollower();
  const form = useRef<HTMLFormElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const recall = useRef<{ at: number; text: string } | null>(null);
  const attached = useAttached();
  const activity = useFollowed(({ transcript }) => transcript.activity);
  const isRunning = !["idle", "failed", "cancelled"].includes(activity.kind);
  const cancel = useCancel(sessionId);
  const enterSends = useEnterSends();
  const stop = useStop(isRunning, () => cancel.mutate());
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    if (field.current !== null) field.current.value = keptText(sessionId);
  }, [sessionId]);

  useEffect(() => {
    if (recalled === null) return;
    write(field.current, recalled.text);
    field.current?.focus();
  }, [recalled]);

  function submit(event?: FormEvent) {
    event?.preventDefault();
    if (field.current === null || form.current === null) return;
    const text = field.current.value;
    const refusal = attached.problemWith(text);
    setProblem(refusal);
    const parts = partsOf(text, attached.files);
    if (refusal !== null || parts.length === 0) return;
    onSend(parts, controlsIn(new FormData(form.current)));
    write(field.current, "");
    keepText(sessionId, "");
    attached.clear();
    recall.current = null;
  }

  function recallBy(step: number) {
    const texts = sentTexts(follower.getSnapshot().transcript);
    const at = (recall.current?.at ?? -1) + step;
    const text = at < 0 ? "" : texts[at];
    if (text === undefined) return;
    recall.current = at < 0 ? null : { at, text };
    write(field.current, text);
  }

  function onKeyDown(event: KeyboardEvent<HTMLTextAreaElement>) {
    const { value } = event.currentTarget;
    const action = actionOf(
      { ...keyOf(event), isComposing: event.nativeEvent.isComposing },
      {
        isUntouched: value === "" || value === recall.current?.text,
        isRunning,
        isStopAsked: stop.isAsked,
        enterSends,
      },
    );
    if (action === null) return;
    event.preventDefault();
    if (action === "send") submit();
    else if (action === "recall_earlier") recallBy(1);
    else if (action === "recall_later") recallBy(-1);
    else if (action === "ask_to_stop") stop.ask();
    else stop.confirm();
  }

  function onPaste(event: ClipboardEvent) {
    if (event.clipboardData.files.length === 0) return;
    event.preventDefault();
    void attached.add(event.clipboardData.files);
  }

  function onDrop(event: DragEvent) {
    if (event.dataTransfer.files.length === 0) return;
    event.preventDefault();
    void attached.add(event.dataTransfer.files);
  }

  return (
    <form
      ref={form}
      className={styles.composer}
      aria-label="Message"
      onSubmit={submit}
      onDrop={onDrop}
      onDragOver={(event) => event.preventDefault()}
    >
      {problem !== null && (
        <p role="alert" className={styles.problem}>
          {problem}
        </p>
      )}
      {attached.problems.map((words) => (
        <p key={words} role="alert" className={styles.problem}>
          {words}
        </p>
      ))}
      {cancel.error !== null && <Failed error={cancel.error} />}
      {stop.isAsked && (
        <p role="status" className={styles.hint}>
          Press Escape again to stop the turn.
        </p>
      )}
      <AttachedFiles files={attached.files} onRemove={attached.remove} />
      <textarea
        ref={field}
        className={styles.field}
        aria-label={isRunning ? "Message to the running turn" : "Message"}
        placeholder={placeholderFor(activity.kind, enterSends)}
        rows={2}
        onKeyDown={onKeyDown}
        onPaste={onPaste}
        onInput={(event) => keepText(sessionId, event.currentTarget.value)}
      />
      <div className={styles.bar}>
        <label className={styles.attach}>
          Attach
          <input
            type="file"
            multiple
            onChange={(event) => {
              if (event.target.files !== null) void attached.add(event.target.files);
              event.target.value = "";
            }}
          />
        </label>
        <AnswerOptions />
        <div className={styles.actions}>
          {isRunning && (
            <Button isBusy={cancel.isPending} onClick={() => cancel.mutate()}>
              Stop
            </Button>
          )}
          <Button type="submit" tone="primary">
            {sendWords(activity.kind)}
          </Button>
        </div>
      </div>
    </form>
  );
}

function placeholderFor(activity: string, enterSends: boolean): string {
  switch (activity) {
    case "idle":
    case "failed":
    case "cancelled":
      return enterSends
        ? "Write a message. Enter sends, Shift+Enter breaks the line."
        : `Write a message. ${withCommand("Enter")} sends, Enter breaks the line.`;
    case "waiting":
      return "A message closes what waits for you; the agent reads it instead.";
    default:
      return "Steer the running turn: the agent reads this at its next step.";
  }
}

function sendWords(activity: string): string {
  switch (activity) {
    case "idle":
    case "failed":
    case "cancelled":
      return "Send";
    case "waiting":
      return "Send instead";
    default:
      return "Steer";
  }
}

function write(field: HTMLTextAreaElement | null, text: string) {
  if (field === null) return;
  field.value = text;
  field.setSelectionRange(text.length, text.length);
}

function keyOf({ key, shiftKey, ctrlKey, metaKey, altKey }: KeyboardEvent) {
  return { key, shiftKey, ctrlKey, metaKey, altKey };
}
