/** Follows a session: loads the end of its log, then shows every event as it comes. */

import { openStream, type Requests, readJson } from "../api/eventStream";
import { Failure } from "../api/failures";
import { Attempts } from "./attempts";
import { EMPTY, withEarlier, withEvents, withListed } from "./log/fold";
import { withPassing } from "./log/passing";
import type { Transcript } from "./log/types";
import {
  isLogEvent,
  isPassingEvent,
  LAST_SEQUENCE,
  type LogEvent,
  type PassingEvent,
} from "./log/wire";
import type { Connection, Earlier, Followed } from "./snapshot";
import { Visibility } from "./visibility";

/** What a follower needs. */
export interface FollowerOptions extends Partial<Requests> {
  readonly sessionId: string;
  readonly headers: Requests["headers"];
  /** How many events a page has that is read backwards. */
  readonly pageSize?: number;
  /** After how many milliseconds of being hidden the connection is given up. */
  readonly hiddenAfterMs?: number;
  /** After how many milliseconds of silence the connection counts as lost. */
  readonly silenceMs?: number;
  /** The document whose visibility counts. */
  readonly page?: Document;
  /** Calls back before the next picture is drawn; returns how to call it off. */
  readonly nextFrame?: (callback: () => void) => () => void;
}

// Going on costs one request; six tabs that kept their connections would hold up every other one.
const HIDDEN_AFTER_MS = 5_000;
const LIST_LIMIT = 1000;
// A turn whose beginning is not loaded is completed as far as that.
const FIRST_PAGES = 5;

/**
 * Follows one session.
 *
 * `subscribe` and `getSnapshot` are what `useSyncExternalStore` takes. Durable events are shown at
 * once and in order, each exactly once; what passes by is shown once a frame.
 */
export class SessionFollower {
  private readonly path: string;
  private readonly requests: Requests;
  private readonly options: Required<Pick<FollowerOptions, "pageSize" | "silenceMs" | "nextFrame">>;
  private readonly visibility: Visibility;
  private readonly attempts = new Attempts();
  private readonly listeners = new Set<() => void>();
  private snapshot: Followed;
  private transcript: Transcript = EMPTY;
  private passing: PassingEvent[] = [];
  private isOpened = false;
  private life = new AbortController();
  private cancelFrame: (() => void) | null = null;

  constructor(options: FollowerOptions) {
    const {
      headers,
      pageSize = 200,
      hiddenAfterMs = HIDDEN_AFTER_MS,
      silenceMs = 60_000,
    } = options;
    this.path = `/v1/sessions/${encodeURIComponent(options.sessionId)}/events`;
    this.requests = { headers, fetch: options.fetch ?? ((...asked) => fetch(...asked)) };
    this.options = { pageSize, silenceMs, nextFrame: options.nextFrame ?? nextFrame };
    this.visibility = new Visibility(options.page ?? document, hiddenAfterMs);
    this.snapshot = {
      transcript: EMPTY,
      connection: { kind: "connecting" },
      earlier: { kind: "loading" },
    };
  }

  /** Call back whenever there is a new snapshot; returns how to stop that. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Return what there is to draw; the same object until something changes. */
  readonly getSnapshot = (): Followed => this.snapshot;

  /** Begin to follow, or go on where `stop` left off; returns how to stop. */
  readonly start = (): (() => void) => {
    this.stop();
    const life = new AbortController();
    this.life = life;
    this.visibility.watch(life.signal);
    this.run(life.signal).catch((error: unknown) => {
      reportError(error);
      if (life.signal.aborted) return;
      // A fault of this page, which trying again would not mend.
      this.end(new Failure("UNREADABLE", "This page cannot show the session. Reload it.", 0));
    });
    return () => this.stop(life);
  };

  /** Stop; nothing changes after that. */
  readonly stop = (life = this.life): void => {
    if (life !== this.life) return;
    life.abort();
    this.cancelFrame?.();
    this.cancelFrame = null;
    this.passing = [];
  };

  /** Load the page of events before those that are loaded. */
  readonly loadEarlier = async (): Promise<void> => {
    const { kind } = this.snapshot.earlier;
    if (kind !== "some" && kind !== "failed") return;
    const { signal } = this.life;
    this.publish({ earlier: { kind: "loading" } });
    try {
      await this.readPageBefore(this.transcript.firstSequence, signal);
      this.publish({ earlier: this.earlier });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Failure)) throw error;
      this.publish({ earlier: { kind: "failed", failure: error } });
    }
  };

  private async run(life: AbortSignal): Promise<void> {
    if (this.isOpened) this.publish({ earlier: this.earlier });
    while (!life.aborted) {
      if (this.visibility.isPaused) {
        this.publish({ connection: { kind: "paused" } });
        await this.visibility.rest(null, life);
        continue;
      }
      const failure = await this.connect(life);
      if (life.aborted || this.visibility.isPaused) continue;
      if (failure && isFinal(failure)) return this.end(failure);
      const pauseMs = this.attempts.pauseMs(failure);
      const connection: Connection = {
        kind: "reconnecting",
        untilMs: Date.now() + pauseMs,
        failure,
      };
      this.publish({ connection });
      await this.visibility.rest(pauseMs, life);
    }
  }

  /** Read what one connection brings; returns why it was lost, or null if the server ended it. */
  private async connect(life: AbortSignal): Promise<Failure | null> {
    const signal = AbortSignal.any([life, this.visibility.signal]);
    if (this.snapshot.connection.kind !== "reconnecting") {
      this.publish({ connection: { kind: "connecting" } });
    }
    try {
      if (!this.isOpened) await this.open(signal);
      await this.read(signal);
      return null;
    } catch (error) {
      if (signal.aborted) return null;
      if (error instanceof Failure) return error;
      throw error;
    }
  }

  /** Load the end of the log, and the beginning of the turn that is cut there. */
  private async open(signal: AbortSignal): Promise<void> {
    this.publish({ earlier: { kind: "loading" } });
    for (let page = 0; page < FIRST_PAGES && this.isCut; page++) {
      await this.readPageBefore(this.transcript.firstSequence || LAST_SEQUENCE, signal);
    }
    this.isOpened = true;
    this.publish({ earlier: this.earlier });
  }

  private async readPageBefore(sequence: number, signal: AbortSignal): Promise<void> {
    const page = await this.list(
      `before_sequence=${sequence}&limit=${this.options.pageSize}`,
      signal,
    );
    this.transcript = withEarlier(this.transcript, page);
  }

  /** Whether nothing is loaded, or the beginning of the open turn is not. */
  private get isCut(): boolean {
    const { firstSequence, isWhole, current } = this.transcript;
    if (isWhole) return false;
    return firstSequence === 0 || (current?.isOpen === true && current.startedMs === null);
  }

  private get earlier(): Earlier {
    return { kind: this.transcript.isWhole ? "none" : "some" };
  }

  private async read(signal: AbortSignal): Promise<void> {
    const path = `${this.path}?after_sequence=${this.transcript.sequence}`;
    for await (const frames of openStream(this.requests, path, signal, this.options.silenceMs)) {
      if (signal.aborted) return;
      for (const frame of frames) {
        switch (frame.kind) {
          case "connected":
            this.attempts.connected();
            this.publish({ connection: { kind: "connected" } });
            break;
          case "retry":
            this.attempts.firstPauseMs = frame.afterMs;
            break;
          case "disconnecting":
            this.attempts.reset();
            break;
          case "event":
            await this.take(frame.event, signal);
            break;
        }
      }
      this.publish({});
    }
  }

  private async take(event: unknown, signal: AbortSignal): Promise<void> {
    if (isLogEvent(event)) {
      // What passed by before it comes first.
      this.showPassing();
      this.transcript = withEvents(this.transcript, [event]);
      if (this.transcript.gap) await this.close(this.transcript.gap.before, event, signal);
    } else if (isPassingEvent(event)) {
      this.passing.push(event);
      this.cancelFrame ??= this.options.nextFrame(() => {
        this.cancelFrame = null;
        this.showPassing();
        this.publish({});
      });
    }
  }

  private showPassing(): void {
    if (this.passing.length === 0) return;
    this.transcript = withPassing(this.transcript, this.passing);
    this.passing = [];
  }

  /** Read what is missing before an event; the server leaves out what the reader may not see. */
  private async close(before: number, event: LogEvent, signal: AbortSignal): Promise<void> {
    while (this.transcript.sequence + 1 < before) {
      const after = this.transcript.sequence;
      const query = `after_sequence=${after}&before_sequence=${before}&limit=${LIST_LIMIT}`;
      const missing = await this.list(query, signal);
      if (missing.length === 0) break;
      this.transcript = withListed(this.transcript, missing);
    }
    this.transcript = withListed(this.transcript, [event]);
  }

  private async list(query: string, signal: AbortSignal): Promise<readonly LogEvent[]> {
    const body = await readJson(this.requests, `${this.path}/list?${query}`, signal);
    signal.throwIfAborted();
    const hasData = typeof body === "object" && body !== null && "data" in body;
    if (!hasData || !Array.isArray(body.data)) {
      throw new Failure("UNREADABLE", "The server's list of events cannot be read.", 0);
    }
    return body.data.filter(isLogEvent);
  }

  private end(failure: Failure): void {
    this.publish({ connection: { kind: "ended", failure } });
    this.stop();
  }

  private publish(changes: Partial<Omit<Followed, "transcript">>): void {
    const isNew = this.transcript !== this.snapshot.transcript || Object.keys(changes).length > 0;
    if (!isNew || this.life.signal.aborted) return;
    this.snapshot = { ...this.snapshot, ...changes, transcript: this.transcript };
    for (const listener of [...this.listeners]) listener();
  }
}

/** Tell whether trying again would bring the same failure. */
function isFinal({ status, code }: Failure): boolean {
  if (code === "SESSION_UNREADABLE") return true;
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

function nextFrame(callback: () => void): () => void {
  const handle = requestAnimationFrame(callback);
  return () => cancelAnimationFrame(handle);
}
