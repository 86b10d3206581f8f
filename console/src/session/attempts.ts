/** How long to wait before the next attempt to connect. */

import type { Failure } from "../api/failures";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
// A connection that has lasted as long was a good one.
const STEADY_MS = 5000;

/** Counts attempts that failed: each waits twice as long as the one before. */
export class Attempts {
  /** The pause before the first attempt; the server says how long it is. */
  firstPauseMs = FIRST_PAUSE_MS;
  private failed = 0;
  private connectedAt: number | null = null;

  /** Note that the server has begun to answer. */
  connected(): void {
    this.connectedAt = Date.now();
  }

  /** Forget the attempts that failed. */
  reset(): void {
    this.failed = 0;
  }

  /** Return how long to wait now that a connection was lost or refused. */
  pauseMs(failure: Failure | null): number {
    if (this.connectedAt !== null && Date.now() - this.connectedAt >= STEADY_MS) this.reset();
    this.connectedAt = null;
    const longest = Math.min(this.firstPauseMs * 2 ** this.failed, LONGEST_PAUSE_MS);
    this.failed += 1;
    // At its own time: the server's other readers come back as well.
    const pause = Math.round(longest * (0.5 + Math.random() / 2));
    return Math.max(pause, (failure?.retryAfter ?? 0) * 1000);
  }
}
