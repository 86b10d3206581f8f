import { type MouseEvent, useCallback, useEffect, useState } from "react";
import { Button } from "../../parts/Button";
import { Curl } from "../../parts/Curl";
import { Loading } from "../../parts/State";
import { Composer } from "../composer/Composer";
import { OutgoingMessages } from "../composer/OutgoingMessages";
import { useOutbox } from "../composer/useOutbox";
import { isOpened, useFollowed, useSessionId } from "../followed";
import { Announcer } from "./Announcer";
import styles from "./Chat.module.css";
import { Earlier } from "./Earlier";
import { Ended } from "./Ended";
import { newSince } from "./news";
import { Turns } from "./Turns";
import { useEnd } from "./useEnd";

/** The conversation, and the field to go on with it. */
export function Chat() {
  const hasOpened = useFollowed(isOpened);
  const hasEnded = useFollowed(({ connection }) => connection.kind === "ended");
  const isEmpty = useFollowed(({ transcript }) => transcript.sequence === 0);
  const outbox = useOutbox();
  const end = useEnd(
    useNewCount(),
    useFollowed(({ transcript }) => transcript.firstSequence),
  );
  const [recalled, setRecalled] = useState<{ text: string } | null>(null);
  const { hold, goToEnd } = end;

  /** What the reader opens must not be pushed away by the end that stays in view. */
  const holdWhatOpens = useCallback(
    (event: MouseEvent) => {
      if (event.target instanceof Element && event.target.closest("[aria-expanded]")) hold();
    },
    [hold],
  );

  return (
    <div className={styles.chat}>
      <section aria-label="Conversation" className={styles.log} onClickCapture={holdWhatOpens}>
        <h2 className="visually-hidden">Conversation</h2>
        {hasOpened ? <Earlier /> : !hasEnded && <Loading rows={6} />}
        {hasOpened && isEmpty && outbox.messages.length === 0 && <Beginning />}
        <Turns />
        <OutgoingMessages outbox={outbox} onEdit={setRecalled} />
        <Ended />
      </section>
      <Announcer />
      <div className={styles.foot}>
        {!end.place.sticks && (
          <Button className={styles.toEnd} onClick={goToEnd}>
            {end.place.unseen === 0 ? "To the end ↓" : `${end.place.unseen} new ↓`}
          </Button>
        )}
        <Composer
          recalled={recalled}
          onSend={(parts, controls) => {
            outbox.send(parts, controls);
            goToEnd();
          }}
        />
      </div>
    </div>
  );
}

function Beginning() {
  const sessionId = useSessionId();
  return (
    <div className={styles.beginning}>
      <h3>No messages yet</h3>
      <p>Write a message below, or send one from a terminal:</p>
      <Curl
        method="POST"
        path={`/v1/sessions/${sessionId}/messages`}
        body={{ content: "What can you do?" }}
      />
    </div>
  );
}

/** Return how many things have come at the end since the conversation was opened. */
function useNewCount(): number {
  const hasOpened = useFollowed(isOpened);
  const sequence = useFollowed(({ transcript }) => transcript.sequence);
  const past = useFollowed(({ transcript }) => transcript.past);
  const current = useFollowed(({ transcript }) => transcript.current);
  const [openedAt, setOpenedAt] = useState<number | null>(null);
  useEffect(() => {
    if (hasOpened) setOpenedAt((known) => known ?? sequence);
  }, [hasOpened, sequence]);
  return openedAt === null ? 0 : newSince(openedAt, past, current);
}
