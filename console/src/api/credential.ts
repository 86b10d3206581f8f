/**
 * The API key that the page uses where the server wants one.
 *
 * It is in the storage of this tab, or of this browser if the user says so; it is in no cookie,
 * which other pages could have sent.
 */

import { forget, store, stored } from "./storage";

const NAME = "everruns.api_key";
const listeners = new Set<() => void>();
let wasRefused = false;

/** Return the API key, if there is one. */
export function credential(): string | null {
  return stored("tab", NAME) ?? stored("browser", NAME);
}

/** Keep an API key for this tab, or for all tabs from now on. */
export function keepCredential(key: string, remember: boolean): void {
  remove();
  store(remember ? "browser" : "tab", NAME, key);
  tell();
}

/** Forget the API key everywhere. */
export function forgetCredential(): void {
  remove();
  tell();
}

/**
 * Note that the server answered a request with a 401.
 *
 * @param authorization - The header that the request had. If another key is used by now, or none,
 *   the refusal says nothing about it.
 */
export function noteRefusal(authorization: string | undefined): void {
  if (wasRefused || authorization !== requestHeaders().Authorization) return;
  wasRefused = true;
  tell();
}

/** Tell whether the server refused the key that is in use, or a request without any. */
export function isRefused(): boolean {
  return wasRefused;
}

/** Call back whenever the API key changes in this tab or is refused; returns how to stop. */
export function onCredentialChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Return the headers of a request. */
export function requestHeaders(): Record<string, string> {
  const key = credential();
  return key === null ? {} : withKey(key);
}

/** Return the headers of a request with a key. */
export function withKey(key: string): { Authorization: string } {
  return { Authorization: `Bearer ${key}` };
}

function remove(): void {
  forget("tab", NAME);
  forget("browser", NAME);
  wasRefused = false;
}

function tell(): void {
  for (const listener of listeners) listener();
}
