/** A transcript while events are applied to it. */

import { presentOf } from "./activity";
import { GrowingTurn } from "./growingTurn";
import { supersededIn, supersessionOf } from "./supersession";
import type { Draft, Gap, Supersession, Transcript, Turn } from "./types";
import { NO_USAGE, spentIn, sum } from "./usage";
import { isKnown, type LogEvent } from "./wire";

/** Applies events to a copy of a transcript; what no event changes stays the same object. */
export class GrowingTranscript {
  private readonly before: Transcript;
  private past: Turn[] | null = null;
  private current: GrowingTurn | null;
  private draft: Draft | null;
  private usage: Transcript["usage"];
  private supersessions: readonly Supersession[];
  private forkedAt: number;
  private firstSequence: number;
  private newest: number;

  constructor(before: Transcript) {
    this.before = before;
    this.current = before.current && new GrowingTurn(before.current);
    this.draft = before.draft;
    this.usage = before.usage;
    this.supersessions = before.supersessions;
    this.forkedAt = before.forkedAt;
    this.firstSequence = before.firstSequence;
    this.newest = before.sequence;
  }

  /** The sequence of the newest event that was applied. */
  get sequence(): number {
    return this.newest;
  }

  /** Apply an event, unless it or a later one was applied before. */
  apply(event: LogEvent): void {
    if (event.sequence <= this.newest) return;
    this.newest = event.sequence;
    this.firstSequence ||= event.sequence;
    if (isKnown(event)) {
      if (event.type === "session.started") this.supersede(supersessionOf(event.data));
      if (event.type === "session.forked") {
        this.usage = NO_USAGE;
        this.forkedAt = event.sequence;
      }
      if (event.type === "message.created" && event.data.message.role !== "user") {
        // It is the draft's message, or that of a process which wrote it again.
        this.draft = null;
      }
    }
    this.usage = sum(this.usage, spentIn(event));
    this.current ??= GrowingTurn.beginningWith(event);
    this.current.apply(event);
    if (this.current.isOver) this.endTurn(this.current.turn);
  }

  /** Return the transcript as it is now; nothing can be applied after that. */
  transcript(gap: Gap | null): Transcript {
    const left = gap && gap.before > this.newest + 1 ? { ...gap, after: this.newest } : null;
    if (this.newest === this.before.sequence) {
      return left === this.before.gap ? this.before : { ...this.before, gap: left };
    }
    const past = this.past ?? this.before.past;
    const current = this.current?.turn ?? null;
    return {
      ...this.before,
      ...presentOf(current ?? past.at(-1) ?? null, this.draft, this.before),
      firstSequence: this.firstSequence,
      sequence: this.newest,
      isWhole: this.before.isWhole || this.firstSequence === 1,
      past,
      current,
      draft: this.draft,
      usage: this.usage,
      supersessions: this.supersessions,
      forkedAt: this.forkedAt,
      gap: left,
    };
  }

  private endTurn(turn: Turn): void {
    this.past ??= [...this.before.past];
    this.past.push(turn);
    this.current = null;
    if (turn.outcome) this.draft = null;
  }

  private supersede(supersession: Supersession | null): void {
    if (supersession === null) return;
    this.past = supersededIn(this.past ?? this.before.past, supersession);
    this.supersessions = [...this.supersessions, supersession];
  }
}
