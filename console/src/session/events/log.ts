/** The events of a session, read a page at a time; new ones come from what follows the session. */

import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { answered, api } from "../../api/client";
import { useFollowed, useFollower } from "../followed";
import type { Transcript } from "../log/types";
import { isLogEvent, LAST_SEQUENCE, type LogEvent } from "../log/wire";
import { type EventFilter, passes } from "./filter";

const PAGE_SIZE = 200;

/** Where a page of events is: the last one, or those before or after a sequence. */
type Place =
  | { readonly at: "end" }
  | { readonly at: "before"; readonly sequence: number }
  | { readonly at: "after"; readonly sequence: number };

/** The events that are loaded, and how to load more. */
export interface LoadedLog {
  readonly events: readonly LogEvent[];
  readonly isLoading: boolean;
  readonly error: Error | null;
  readonly retry: () => void;
  readonly hasEarlier: boolean;
  readonly hasLater: boolean;
  readonly loadEarlier: () => void;
  readonly loadLater: () => void;
}

/**
 * Read a session's events, and add new ones as they come.
 *
 * @param sessionId - The session.
 * @param filter - Which events.
 * @param from - The sequence where reading begins; null for the newest.
 */
export function useLog(sessionId: string, filter: EventFilter, from: number | null): LoadedLog {
  // What is before it is read with it, so that it has neighbours on both sides.
  const start: Place =
    from === null ? { at: "end" } : { at: "after", sequence: Math.max(from - PAGE_SIZE / 2, 0) };
  const pages = useInfiniteQuery({
    queryKey: ["session", sessionId, "events", filter, from],
    queryFn: ({ pageParam, signal }) => readPage(sessionId, filter, pageParam, signal),
    initialPageParam: start,
    getPreviousPageParam: earlierPlace,
    getNextPageParam: laterPlace,
    // Events do not change, and new ones come by themselves while this is shown.
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  const newest = useFollowed(({ transcript }) => transcript.sequence);
  const follower = useFollower();
  const { data, hasNextPage } = pages;

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new event is a new transcript.
  const events = useMemo(() => {
    const read = data?.pages.flat() ?? [];
    if (data === undefined || hasNextPage) return read;
    const { transcript } = follower.getSnapshot();
    return [...read, ...newerThan(read.at(-1)?.sequence ?? 0, transcript, filter)];
  }, [data, hasNextPage, newest, follower, filter]);

  return {
    events,
    isLoading: pages.isPending || pages.isFetching,
    error: pages.error,
    retry: () => void pages.refetch(),
    hasEarlier: pages.hasPreviousPage,
    hasLater: hasNextPage,
    loadEarlier: () => !pages.isFetching && void pages.fetchPreviousPage(),
    loadLater: () => !pages.isFetching && void pages.fetchNextPage(),
  };
}

async function readPage(
  sessionId: string,
  { types, turnId }: EventFilter,
  place: Place,
  signal: AbortSignal,
): Promise<LogEvent[]> {
  const query = {
    limit: PAGE_SIZE,
    ...(types.length > 0 && { types: [...types] }),
    ...(turnId !== null && { turn_id: turnId }),
    ...(place.at === "after"
      ? { after_sequence: place.sequence }
      : { before_sequence: place.at === "end" ? LAST_SEQUENCE : place.sequence }),
  };
  const listed = await answered(
    api.GET("/v1/sessions/{session_id}/events/list", {
      params: { path: { session_id: sessionId }, query },
      signal,
    }),
  );
  const events: readonly unknown[] = listed.data;
  return events.filter(isLogEvent);
}

/** Return where the page before is; undefined if there is none. */
function earlierPlace(
  first: readonly LogEvent[],
  _: unknown,
  firstPlace: Place,
): Place | undefined {
  const [event] = first;
  if (event !== undefined) {
    return event.sequence === 1 ? undefined : { at: "before", sequence: event.sequence };
  }
  // Nothing passes the filter after this place, but something before it can.
  return firstPlace.at === "after"
    ? { at: "before", sequence: firstPlace.sequence + 1 }
    : undefined;
}

/** Return where the page after is; undefined if the log had no more at the last look. */
function laterPlace(last: readonly LogEvent[], _: unknown, lastPlace: Place): Place | undefined {
  const event = last.at(-1);
  return lastPlace.at === "after" && event !== undefined
    ? { at: "after", sequence: event.sequence }
    : undefined;
}

/** Return what the followed log has beyond a sequence. */
export function newerThan(
  sequence: number,
  { past, current }: Transcript,
  filter: EventFilter,
): LogEvent[] {
  const turns = current === null ? past : [...past, current];
  const first = turns.findLastIndex(({ events }) => (events[0]?.sequence ?? 0) <= sequence);
  return turns
    .slice(Math.max(first, 0))
    .flatMap(({ events }) => events.filter((event) => event.sequence > sequence))
    .filter((event) => passes(event, filter));
}
