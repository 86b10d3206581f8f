import { ago } from "./formats";
import { useNow } from "./now";

/** A moment as time passed since, with the exact time in its title. */
export function Time({ at }: { at: string }) {
  const moment = new Date(at);
  const seen = useNow(1000 * 15);
  // What has just happened is later than the last look at the clock.
  const now = new Date(Math.max(seen.getTime(), Math.min(moment.getTime(), Date.now())));
  return (
    <time dateTime={at} title={`${moment.toISOString()}\n${moment.toLocaleString()}`}>
      {ago(moment, now)}
    </time>
  );
}
