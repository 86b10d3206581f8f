/** Stopping a turn by a key, after one question. */

import { useEffect, useState } from "react";

/** How long the question stands. */
const ASKED_MS = 3_000;

/** Whether it was asked to stop the turn, and how to ask and to confirm. */
export function useStop(isRunning: boolean, onStop: () => void) {
  const [isAsked, setAsked] = useState(false);
  useEffect(() => {
    if (!isAsked) return;
    const timer = setTimeout(() => setAsked(false), ASKED_MS);
    return () => clearTimeout(timer);
  }, [isAsked]);
  return {
    isAsked: isAsked && isRunning,
    ask: () => setAsked(true),
    confirm: () => {
      setAsked(false);
      onStop();
    },
  };
}
