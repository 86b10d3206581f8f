/** What failed: a request, in the server's words or why no answer came, or this page. */

import { isObject } from "../parts/json";

// A timer of a browser that is set to more than 24 days ends at once.
const LONGEST_WAIT_S = 3600;

/** The code of a failure without an answer. */
export const UNREACHABLE = "UNREACHABLE";

/** A failure, in the server's words where it gave any. */
export class Failure extends Error {
  constructor(
    /** The server's stable code, or `UNREACHABLE`, `UNREADABLE`, or the name of an error of the page. */
    readonly code: string,
    message: string,
    /** The HTTP status, or 0 if the server did not answer. */
    readonly status: number,
    /** After how many seconds the server wants to be asked again. */
    readonly retryAfter?: number,
  ) {
    super(message);
    this.name = "Failure";
  }
}

/** Return the failure that an answer with an error's status tells of. */
export async function readFailure(response: Response): Promise<Failure> {
  const retryAfter = Number(response.headers.get("retry-after") ?? Number.NaN);
  const words = saidIn(await response.text());
  return new Failure(
    words?.code ?? "UNREADABLE",
    words?.message ?? `The server answered with status ${response.status} and no reason.`,
    response.status,
    Number.isFinite(retryAfter) ? Math.min(Math.max(retryAfter, 0), LONGEST_WAIT_S) : undefined,
  );
}

/** Return the failure of a request that got no answer, or the error of one that was aborted. */
export function unanswered(error: unknown): Error {
  if (error instanceof Failure) return error;
  if (error instanceof DOMException && error.name === "AbortError") return error;
  return new Failure(UNREACHABLE, "The server does not answer. It may be restarting.", 0);
}

/** Return any thrown value as a failure. Anything but a `Failure` is a fault of this page. */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  return error instanceof Error
    ? new Failure(error.name, error.message, 0)
    : new Failure("Error", String(error), 0);
}

/** Tell whether the same request may succeed later: no answer came, or the server is busy. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof Failure)) return false;
  return error.code === UNREACHABLE || error.status === 503 || error.status === 429;
}

function saidIn(text: string): { code: string; message: string } | undefined {
  try {
    const body: unknown = JSON.parse(text);
    if (!isObject(body) || !isObject(body.error)) return undefined;
    const { code, message } = body.error;
    return typeof code === "string" && typeof message === "string" ? { code, message } : undefined;
  } catch {
    return undefined;
  }
}
