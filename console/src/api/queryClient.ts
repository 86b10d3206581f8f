/** How requests are remembered, and when they are made again. */

import { QueryClient } from "@tanstack/react-query";
import { Failure, isPassing } from "./failures";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/** Return a client that remembers the answers to the page's requests. */
export function newQueryClient(): QueryClient {
  // The server may be on this machine: whether the browser is online says nothing about it.
  const networkMode = "always";
  return new QueryClient({
    defaultOptions: {
      queries: {
        networkMode,
        staleTime: 2_000,
        // What the server refuses, it refuses again; only what may pass is asked again.
        retry: (_, error) => isPassing(error),
        retryDelay: (failed, error) => pauseMs(failed + 1, error),
      },
      mutations: { networkMode },
    },
  });
}

/**
 * Return after how many milliseconds a request is made again.
 *
 * @param failures - How often it has failed.
 * @param last - What it failed with last.
 */
export function pauseMs(failures: number, last: Error): number {
  if (last instanceof Failure && last.retryAfter !== undefined) {
    // A server that says 0 would be asked again and again without a pause.
    return Math.max(last.retryAfter * 1000, FIRST_PAUSE_MS);
  }
  return Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
}
