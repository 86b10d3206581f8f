import { useEffect, useRef, useState } from "react";
import { Loading } from "../parts/State";
import styles from "./ConversationBox.module.css";
import { Announcer } from "./chat/Announcer";
import { Ended } from "./chat/Ended";
import { TurnView } from "./chat/TurnView";
import { Composer } from "./composer/Composer";
import { OutgoingMessages } from "./composer/OutgoingMessages";
import { useOutbox } from "./composer/useOutbox";
import { FollowedSession, isOpened, useFollowed } from "./followed";
import { useFollowing } from "./following";
import { Live } from "./Live";

/** A session's conversation in a box of its own, next to something else. */
export function ConversationBox({ sessionId }: { sessionId: string }) {
  const follower = useFollowing(sessionId);
  return (
    <FollowedSession sessionId={sessionId} follower={follower}>
      <Live />
      <Box />
    </FollowedSession>
  );
}

function Box() {
  const box = useRef<HTMLElement>(null);
  const outbox = useOutbox();
  const hasOpened = useFollowed(isOpened);
  const hasEnded = useFollowed(({ connection }) => connection.kind === "ended");
  const [recalled, setRecalled] = useState<{ text: string } | null>(null);
  useEndInView(box);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: who has only a keyboard must be able to scroll. */}
      <section ref={box} className={styles.box} aria-label="Conversation" tabIndex={0}>
        <div className={styles.log}>
          {!hasOpened && !hasEnded && <Loading rows={3} />}
          <Turns />
          <OutgoingMessages outbox={outbox} onEdit={setRecalled} />
          <Ended />
        </div>
      </section>
      <Announcer />
      <Composer recalled={recalled} onSend={outbox.send} />
    </>
  );
}

function Turns() {
  const past = useFollowed(({ transcript }) => transcript.past);
  const current = useFollowed(({ transcript }) => transcript.current);
  const draftId = useFollowed(({ transcript }) => transcript.draft?.messageId ?? null);
  const turns = current === null ? past : [...past, current];
  return turns.map((turn, place) => {
    const isLast = place === turns.length - 1;
    return (
      <TurnView key={turn.key} turn={turn} isLast={isLast} draftId={isLast ? draftId : null} />
    );
  });
}

// So near to the end its reader is there, though the last line is cut.
const NEAR_PX = 40;

/** Keep the end of a box in view while its reader is there. */
function useEndInView(box: React.RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const element = box.current;
    const content = element?.firstElementChild;
    if (!element || !content) return;
    let isAtEnd = true;
    const onScroll = () => {
      isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_PX;
    };
    const observer = new ResizeObserver(() => {
      if (isAtEnd) element.scrollTop = element.scrollHeight;
    });
    observer.observe(content);
    element.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", onScroll);
    };
  }, [box]);
}
