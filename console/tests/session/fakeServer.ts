/** A server's routes of events, and a page, as a follower sees them. */

import type { LogEvent, PassingEvent } from "../../src/session/log/wire";

const HELLO = 'retry: 100\nevent: connected\ndata: {"status":"connected"}\n\n';

/** Serves one session's log as `docs/contract.md` says. */
export class FakeServer {
  /** The events of the log that a reader may see. */
  log: LogEvent[] = [];
  /** What was asked for, without the path that all requests share. */
  readonly asked: string[] = [];
  /** The credentials that came with it. */
  readonly credentials: (string | null)[] = [];
  private readonly streams = new Set<ReadableStreamDefaultController<Uint8Array>>();
  private refusal: (() => Response) | null = null;

  /** How many streams are open. */
  get open(): number {
    return this.streams.size;
  }

  /** Refuse all requests from now on. */
  refuse(status: number, headers: Record<string, string> = {}, code = "UNAVAILABLE"): void {
    const body = JSON.stringify({ error: { code, message: "It cannot be." } });
    this.refusal = () => new Response(body, { status, headers });
  }

  /** Answer all requests from now on. */
  accept(): void {
    this.refusal = null;
  }

  /** Send events to all who read the stream. */
  async send(...events: readonly (LogEvent | PassingEvent)[]): Promise<void> {
    await this.write(events.map(frame).join(""));
  }

  /** Send an event in so many bytes at a time. */
  async sendInPieces(event: LogEvent | PassingEvent, size: number): Promise<void> {
    const bytes = new TextEncoder().encode(frame(event));
    for (let at = 0; at < bytes.length; at += size) await this.push(bytes.slice(at, at + size));
  }

  /** Send any text. */
  async write(text: string): Promise<void> {
    await this.push(new TextEncoder().encode(text));
  }

  /** Lose all connections. */
  cut(): void {
    for (const stream of this.streams) stream.error(new TypeError("connection lost"));
    this.streams.clear();
  }

  /** End all streams in order. */
  finish(): void {
    for (const stream of this.streams) stream.close();
    this.streams.clear();
  }

  /** Stands for the browser's. */
  readonly fetch = async (
    input: RequestInfo | URL,
    { headers, signal }: RequestInit = {},
  ): Promise<Response> => {
    signal?.throwIfAborted();
    const [path = "", query = ""] = String(input).split("?");
    this.asked.push(String(input).replace("/v1/sessions/session_1/events", ""));
    this.credentials.push(new Headers(headers).get("authorization"));
    if (this.refusal) return this.refusal();
    const asked = new URLSearchParams(query);
    if (path.endsWith("/list")) return Response.json({ data: this.list(asked) });
    return new Response(this.stream(asked, signal ?? null), {
      headers: { "Content-Type": "text/event-stream" },
    });
  };

  private list(asked: URLSearchParams): readonly LogEvent[] {
    const after = Number(asked.get("after_sequence") ?? 0);
    const before = Number(asked.get("before_sequence") ?? Number.POSITIVE_INFINITY);
    const limit = Number(asked.get("limit") ?? 100);
    const found = this.log.filter(({ sequence }) => after < sequence && sequence < before);
    return asked.has("after_sequence") ? found.slice(0, limit) : found.slice(-limit);
  }

  private stream(asked: URLSearchParams, signal: AbortSignal | null): ReadableStream<Uint8Array> {
    const after = Number(asked.get("after_sequence") ?? 0);
    const missed = this.log.filter((event) => event.sequence > after).map(frame);
    let open: ReadableStreamDefaultController<Uint8Array> | null = null;
    const gone = () => {
      if (open) this.streams.delete(open);
    };
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        open = controller;
        this.streams.add(controller);
        controller.enqueue(new TextEncoder().encode(HELLO + missed.join("")));
        signal?.addEventListener("abort", () => {
          if (this.streams.has(controller)) controller.error(signal.reason);
          gone();
        });
      },
      cancel: gone,
    });
  }

  private async push(bytes: Uint8Array): Promise<void> {
    for (const stream of this.streams) stream.enqueue(bytes);
    // The reader takes what it has.
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  }
}

/** A page that is shown, until it is hidden. */
export class FakePage {
  readonly document: Document = window.document.implementation.createHTMLDocument();
  private state: DocumentVisibilityState = "visible";

  constructor() {
    Object.defineProperty(this.document, "visibilityState", { get: () => this.state });
  }

  hide(): void {
    this.become("hidden");
  }

  show(): void {
    this.become("visible");
  }

  private become(state: DocumentVisibilityState): void {
    this.state = state;
    this.document.dispatchEvent(new Event("visibilitychange"));
  }
}

function frame(event: LogEvent | PassingEvent): string {
  const id = "sequence" in event ? `id: ${event.id}\n` : "";
  return `event: ${event.type}\n${id}data: ${JSON.stringify(event)}\n\n`;
}
