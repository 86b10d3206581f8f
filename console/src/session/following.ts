/** The follower of a session, for as long as its screen is open. */

import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { credential, onCredentialChange, requestHeaders } from "../api/credential";
import { SessionFollower } from "./follower";

/** Return the follower of a session. It goes on with another API key, and stops with the component. */
export function useFollowing(sessionId: string): SessionFollower {
  const [follower] = useState(() => new SessionFollower({ sessionId, headers: requestHeaders }));
  useEffect(() => {
    let key = credential();
    let stop = follower.start();
    const unsubscribe = onCredentialChange(() => {
      if (credential() === key) return;
      key = credential();
      stop = follower.start();
    });
    return () => {
      unsubscribe();
      stop();
    };
  }, [follower]);

  // A turn's end changes what the session's record says of it: preview, usage and files.
  const queries = useQueryClient();
  useEffect(() => {
    let { past } = follower.getSnapshot().transcript;
    return follower.subscribe(() => {
      const now = follower.getSnapshot().transcript.past;
      const hasEnded = past.length > 0 && now.at(-1) !== past.at(-1);
      past = now;
      if (hasEnded) void queries.invalidateQueries({ queryKey: ["session", sessionId] });
    });
  }, [follower, queries, sessionId]);
  return follower;
}
