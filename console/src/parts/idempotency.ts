/** Keys that let the server recognize a request that is sent again. */

import { useRef } from "react";

/** Return a new `Idempotency-Key`. */
export function newIdempotencyKey(): string {
  // `crypto.randomUUID` is missing on pages that came by plain HTTP from another machine.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `console-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** The header by which the server recognizes a request. */
export interface Keyed {
  "Idempotency-Key": string;
}

/**
 * Return a function that creates something with a key. A request that failed and is sent again as
 * it was has the same key, so what the server has already made is not made twice.
 */
export function useKeyed<Given, Made>(
  create: (given: Given, header: Keyed) => Promise<Made>,
): (given: Given) => Promise<Made> {
  const last = useRef<{ given: string; key: string }>(null);
  return async (given) => {
    const text = JSON.stringify(given) ?? "";
    if (last.current?.given !== text) last.current = { given: text, key: newIdempotencyKey() };
    const sent = last.current;
    const made = await create(given, { "Idempotency-Key": sent.key });
    // Something else may have been sent in the meantime, which still needs its key.
    if (last.current === sent) last.current = null;
    return made;
  };
}
