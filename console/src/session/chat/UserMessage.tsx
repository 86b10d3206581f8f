import { memo } from "react";
import { Markdown } from "../../parts/markdown/Markdown";
import { Time } from "../../parts/Time";
import type { UserItem } from "../log/itemTypes";
import { Attachment } from "./Attachment";
import styles from "./UserMessage.module.css";

/** A message of the user, with its images and files. */
export const UserMessage = memo(function UserMessage({ item }: { item: UserItem }) {
  const { message, steers } = item;
  return (
    <article className={styles.message} aria-label="Message of the user">
      {message.content.map((part, at) =>
        part.type === "text" ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: parts of a message never change.
          <Markdown key={at} text={part.text} />
        ) : (
          // biome-ignore lint/suspicious/noArrayIndexKey: parts of a message never change.
          <Attachment key={at} part={part} />
        ),
      )}
      <footer className={styles.about}>
        <Time at={message.created_at} />
        {steers && <span>steered the running turn</span>}
        {message.controls?.model_id != null && <span>for {message.controls.model_id}</span>}
        {message.controls?.reasoning?.effort != null && (
          <span>effort {message.controls.reasoning.effort}</span>
        )}
      </footer>
    </article>
  );
});
