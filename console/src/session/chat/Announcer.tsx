import { useEffect, useRef, useState } from "react";
import { isOpened, useFollower } from "../followed";
import { announcements } from "./announcements";

const KEPT = 5;

/** Announces messages and states to screen readers, but never single words of an answer. */
export function Announcer() {
  const follower = useFollower();
  const [said, setSaid] = useState<readonly { key: number; words: string }[]>([]);
  const key = useRef(0);
  useEffect(() => {
    let before = follower.getSnapshot();
    return follower.subscribe(() => {
      const now = follower.getSnapshot();
      const news = isOpened(before) ? announcements(before, now) : [];
      before = now;
      if (news.length === 0) return;
      setSaid((earlier) =>
        [...earlier, ...news.map((words) => ({ key: key.current++, words }))].slice(-KEPT),
      );
    });
  }, [follower]);
  return (
    <div
      role="log"
      aria-live="polite"
      aria-label="News of this session"
      className="visually-hidden"
    >
      {said.map(({ key: place, words }) => (
        <p key={place}>{words}</p>
      ))}
    </div>
  );
}
