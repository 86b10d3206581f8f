/** The time of day as something that components can follow. */

import { useEffect, useState } from "react";

/** Return the time, brought up to date in an interval of milliseconds. */
export function useNow(everyMs: number): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
