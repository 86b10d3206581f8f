/**
 * The fold from a session's events to what screens draw.
 *
 * It means what the server's fold means (`everruns/domain/state.py`); logs that both read, in
 * `tests/contract/logs`, hold them together. All functions are pure.
 */

import { NOTHING_SENT, presentOf } from "./activity";
import { GrowingTranscript } from "./growingTranscript";
import { supersededIn } from "./supersession";
import type { Transcript, Turn } from "./types";
import { NO_USAGE, sum } from "./usage";
import type { LogEvent, Usage } from "./wire";

/** The transcript before anything is loaded. */
export const EMPTY: Transcript = {
  firstSequence: 0,
  sequence: 0,
  isWhole: false,
  past: [],
  current: null,
  draft: null,
  ...NOTHING_SENT,
  usage: NO_USAGE,
  supersessions: [],
  forkedAt: 0,
  gap: null,
};

/**
 * Apply the next events of a stream.
 *
 * Events that were applied before change nothing. Events behind a gap are not applied; what is
 * returned names the gap until `withListed` has closed it.
 */
export function withEvents(transcript: Transcript, events: readonly LogEvent[]): Transcript {
  const growing = new GrowingTranscript(transcript);
  for (const event of events) {
    const { sequence } = growing;
    if (sequence > 0 && event.sequence > sequence + 1) {
      return growing.transcript({ after: sequence, before: event.sequence });
    }
    growing.apply(event);
  }
  return growing.transcript(transcript.gap);
}

/**
 * Apply a list of events that the server has returned for what comes after `sequence`.
 *
 * Sequences that it leaves out are of events that the reader may not see.
 */
export function withListed(transcript: Transcript, events: readonly LogEvent[]): Transcript {
  const growing = new GrowingTranscript(transcript);
  for (const event of events) growing.apply(event);
  return growing.transcript(null);
}

/**
 * Put a page of earlier events before what is loaded; an empty one says that there are none.
 *
 * A turn that was cut at the page's border is completed. Later turns stay the same objects.
 */
export function withEarlier(transcript: Transcript, page: readonly LogEvent[]): Transcript {
  if (page.length === 0) return transcript.isWhole ? transcript : { ...transcript, isWhole: true };
  const { firstSequence } = transcript;
  if (firstSequence === 0) return withListed(transcript, page);
  const earlier = page.filter((event) => event.sequence < firstSequence);
  const [first] = earlier;
  if (first === undefined) return transcript;
  const before = withListed(EMPTY, earlier);
  const { head, rest, current } = joined(before, transcript);
  const past = [...transcript.supersessions.reduce(supersededIn, head), ...rest];
  const newest = current ?? past.at(-1) ?? null;
  const forkedAt = Math.max(before.forkedAt, transcript.forkedAt);
  return {
    ...transcript,
    ...presentOf(newest, transcript.draft, transcript),
    firstSequence: first.sequence,
    isWhole: first.sequence === 1,
    past,
    current,
    usage: usageSince(forkedAt, current ? [...past, current] : past),
    supersessions: [...before.supersessions, ...transcript.supersessions],
    forkedAt,
  };
}

interface Joined {
  /** The turns that are new or were completed. */
  readonly head: Turn[];
  /** The ended turns after them. */
  readonly rest: readonly Turn[];
  readonly current: Turn | null;
}

/** Join turns at the border of a page, where one may be cut. */
function joined(before: Transcript, { past, current }: Transcript): Joined {
  const [cut, ...rest] = past;
  if (before.current === null) return { head: [...before.past], rest: past, current };
  const whole = withListed(before, (cut ?? current)?.events ?? []);
  return { head: [...whole.past], rest, current: cut ? current : whole.current };
}

/** Return what was used after a sequence: what comes before it was copied from another session. */
function usageSince(sequence: number, turns: readonly Turn[]): Usage {
  return turns
    .filter((turn) => (turn.events.at(-1)?.sequence ?? 0) >= sequence)
    .reduce((total, turn) => sum(total, turn.usage), NO_USAGE);
}
