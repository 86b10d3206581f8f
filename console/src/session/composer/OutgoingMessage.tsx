import { Button } from "../../parts/Button";
import { Markdown } from "../../parts/markdown/Markdown";
import message from "../chat/UserMessage.module.css";
import styles from "./OutgoingMessage.module.css";
import { type Outgoing, textOf } from "./outbox";

interface OutgoingMessageProps {
  outgoing: Outgoing;
  onSendAgain: (outgoing: Outgoing) => void;
  onDiscard: (outgoing: Outgoing) => void;
  /** Take its text back into the composer. */
  onEdit: () => void;
}

/** A message that the session does not have yet: on its way, or not sent. */
export function OutgoingMessage({
  outgoing,
  onSendAgain,
  onDiscard,
  onEdit,
}: OutgoingMessageProps) {
  const { content, failure } = outgoing;
  const text = textOf(content);
  const files = content.filter(({ type }) => type !== "text").length;
  return (
    <article className={message.message} aria-label="Message on its way">
      {text !== "" && <Markdown text={text} />}
      {files > 0 && <p className={message.about}>{files === 1 ? "1 file" : `${files} files`}</p>}
      {failure === null ? (
        <footer className={message.about}>sending…</footer>
      ) : (
        <div role="alert" className={styles.failed}>
          <p>
            Not sent. <strong>{failure.code}</strong> {failure.message}
          </p>
          <div className={styles.actions}>
            <Button onClick={() => onSendAgain(outgoing)}>Send again</Button>
            <Button onClick={onEdit}>Edit</Button>
            <Button tone="quiet" onClick={() => onDiscard(outgoing)}>
              Discard
            </Button>
          </div>
        </div>
      )}
    </article>
  );
}
