/** The log of the open session, which is followed once for all of its views. */

import { createContext, type ReactNode, useContext, useMemo, useSyncExternalStore } from "react";
import type { SessionFollower } from "./follower";
import type { Draft } from "./log/types";
import type { Followed } from "./snapshot";

interface OpenSession {
  readonly sessionId: string;
  readonly follower: SessionFollower;
}

const OpenSessionContext = createContext<OpenSession | null>(null);

interface FollowedSessionProps extends OpenSession {
  children: ReactNode;
}

/** Gives a session and its follower to all of its views. */
export function FollowedSession({ sessionId, follower, children }: FollowedSessionProps) {
  const session = useMemo(() => ({ sessionId, follower }), [sessionId, follower]);
  return <OpenSessionContext value={session}>{children}</OpenSessionContext>;
}

/** Return the id of the open session. */
export function useSessionId(): string {
  return useOpenSession().sessionId;
}

/** Return what follows the open session. */
export function useFollower(): SessionFollower {
  return useOpenSession().follower;
}

/**
 * Return a part of what is known of the open session.
 *
 * The component is drawn again when the part changes, so a view that takes `past` costs nothing
 * while an answer is written: `useFollowed(({ transcript }) => transcript.past)`. The part must be
 * one that the snapshot has, not a new object.
 */
export function useFollowed<Part>(partOf: (followed: Followed) => Part): Part {
  const follower = useFollower();
  return useSyncExternalStore(follower.subscribe, () => partOf(follower.getSnapshot()));
}

/** Return the draft of a message while it is written; null does not listen at all. */
export function useDraft(messageId: string | null): Draft | null {
  const follower = useFollower();
  return useSyncExternalStore(messageId === null ? notAtAll : follower.subscribe, () => {
    const { draft } = follower.getSnapshot().transcript;
    return draft !== null && draft.messageId === messageId ? draft : null;
  });
}

/** Tell whether the end of the log has been read, so that an empty transcript is an empty log. */
export function isOpened({ transcript, earlier }: Followed): boolean {
  return transcript.sequence > 0 || earlier.kind === "some" || earlier.kind === "none";
}

function useOpenSession(): OpenSession {
  const session = useContext(OpenSessionContext);
  if (session === null) throw new Error("This view must be inside of FollowedSession.");
  return session;
}

function notAtAll(): () => void {
  return () => undefined;
}
