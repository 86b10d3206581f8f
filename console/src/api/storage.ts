/**
 * What the page remembers in the browser.
 *
 * A browser may forbid its storage to the page, or have no room left. The page then remembers
 * until it is left.
 */

/** In this tab, or in this browser. */
export type Scope = "tab" | "browser";

const unstored: Record<Scope, Map<string, string>> = { tab: new Map(), browser: new Map() };

/** Return what was kept under a name, if anything was. */
export function stored(scope: Scope, name: string): string | null {
  const text = unstored[scope].get(name);
  if (text !== undefined) return text;
  try {
    return storageOf(scope).getItem(name);
  } catch (error) {
    return ifRefused(error, null);
  }
}

/** Keep a text under a name. */
export function store(scope: Scope, name: string, text: string): void {
  forget(scope, name);
  try {
    storageOf(scope).setItem(name, text);
  } catch (error) {
    unstored[scope].set(name, ifRefused(error, text));
  }
}

/** Keep nothing under a name. */
export function forget(scope: Scope, name: string): void {
  unstored[scope].delete(name);
  try {
    storageOf(scope).removeItem(name);
  } catch (error) {
    ifRefused(error, null);
  }
}

function storageOf(scope: Scope): Storage {
  return scope === "tab" ? sessionStorage : localStorage;
}

/** Return a value if the browser refused; what else went wrong is a defect. */
function ifRefused<Value>(error: unknown, value: Value): Value {
  if (error instanceof DOMException) return value;
  throw error;
}
