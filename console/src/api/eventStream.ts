/**
 * A stream of Server-Sent Events, and lists of the same events.
 *
 * `EventSource` cannot send an `Authorization` header, so this reads the answer to a `fetch`.
 */

import { createParser, type EventSourceMessage } from "eventsource-parser";
import { noteRefusal } from "./credential";
import { Failure, readFailure, UNREACHABLE, unanswered } from "./failures";

/** What a stream has to say besides heartbeats. */
export type Frame =
  /** The server has begun to answer. */
  | { readonly kind: "connected" }
  /** An event, as it is on the wire. */
  | { readonly kind: "event"; readonly event: unknown }
  /** After how many milliseconds to connect again. */
  | { readonly kind: "retry"; readonly afterMs: number }
  /** The server ends the stream and wants its reader to connect again. */
  | { readonly kind: "disconnecting" };

/** How requests are made. */
export interface Requests {
  readonly fetch: typeof fetch;
  /** Returns the headers of a request, such as `Authorization`. */
  readonly headers: () => Record<string, string>;
}

/**
 * Return the JSON body of a GET.
 *
 * @throws Failure - The request failed, or its answer cannot be read.
 */
export async function readJson(
  requests: Requests,
  path: string,
  signal: AbortSignal,
): Promise<unknown> {
  const response = await ask(requests, path, "application/json", signal);
  return decoded(await response.text().catch(rethrown));
}

/**
 * Open a stream and yield its frames, those together that came together, until it ends.
 *
 * @param silenceMs - How long nothing, not even a heartbeat, may arrive before the connection
 *   counts as lost.
 * @throws Failure - The request failed, the connection was lost, or a frame cannot be read.
 */
export async function* openStream(
  requests: Requests,
  path: string,
  signal: AbortSignal,
  silenceMs: number,
): AsyncGenerator<readonly Frame[], void> {
  const response = await ask(requests, path, "text/event-stream", signal);
  const type = response.headers.get("content-type") ?? "";
  if (!response.body || !type.startsWith("text/event-stream")) {
    await response.body?.cancel();
    throw new Failure(
      "UNREADABLE",
      `The server did not answer ${path} with a stream of events.`,
      response.status,
    );
  }
  let frames: Frame[] = [];
  const parser = createParser({
    onEvent: (message) => frames.push(frameOf(message)),
    onRetry: (afterMs) => frames.push({ kind: "retry", afterMs }),
  });
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await readWithin(silenceMs, reader);
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      if (frames.length > 0) yield frames;
      frames = [];
    }
  } finally {
    // It may have failed already, which is then known.
    await reader.cancel().catch(() => {});
  }
}

async function ask(
  requests: Requests,
  path: string,
  accept: string,
  signal: AbortSignal,
): Promise<Response> {
  const headers: Record<string, string> = { ...requests.headers(), Accept: accept };
  const response = await requests
    .fetch(path, { headers, signal, cache: "no-store" })
    .catch(rethrown);
  if (response.status === 401) noteRefusal(headers.Authorization);
  if (!response.ok) throw await readFailure(response);
  return response;
}

function frameOf({ event, data }: EventSourceMessage): Frame {
  if (event === "connected" || event === "disconnecting") return { kind: event };
  return { kind: "event", event: decoded(data) };
}

function decoded(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Failure("UNREADABLE", "The server has sent something that is not JSON.", 0);
  }
}

async function readWithin(
  silenceMs: number,
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_resolve, reject) => {
    const failure = new Failure(UNREACHABLE, "The server has fallen silent.", 0);
    timer = setTimeout(() => reject(failure), silenceMs);
  });
  try {
    return await Promise.race([reader.read().catch(rethrown), silence]);
  } finally {
    clearTimeout(timer);
  }
}

function rethrown(error: unknown): never {
  throw unanswered(error);
}
