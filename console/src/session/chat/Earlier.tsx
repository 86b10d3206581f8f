import { useEffect, useRef } from "react";
import { Button } from "../../parts/Button";
import { Failed } from "../../parts/State";
import { useFollowed, useFollower } from "../followed";
import styles from "./Chat.module.css";

/** How far above the view earlier events are read already. */
const AHEAD = "600px";

/** The way to what was said earlier: it is read when the reader comes near, or on request. */
export function Earlier() {
  const follower = useFollower();
  const earlier = useFollowed((followed) => followed.earlier);
  const firstSequence = useFollowed(({ transcript }) => transcript.firstSequence);
  const edge = useRef<HTMLDivElement>(null);

  // After each page it is looked at anew: a short page leaves the edge in view.
  // biome-ignore lint/correctness/useExhaustiveDependencies: a page begins with another sequence.
  useEffect(() => {
    if (edge.current === null || earlier.kind !== "some") return;
    const observer = new IntersectionObserver(
      ([entry]) => entry?.isIntersecting === true && void follower.loadEarlier(),
      { rootMargin: AHEAD },
    );
    observer.observe(edge.current);
    return () => observer.disconnect();
  }, [follower, earlier.kind, firstSequence]);

  if (earlier.kind === "none" || firstSequence === 0) return null;
  if (earlier.kind === "failed") {
    return <Failed error={earlier.failure} retry={follower.loadEarlier} />;
  }
  return (
    <div ref={edge} className={styles.earlier}>
      <Button tone="quiet" isBusy={earlier.kind === "loading"} onClick={follower.loadEarlier}>
        Show earlier
      </Button>
    </div>
  );
}
