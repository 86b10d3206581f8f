/** Whether Enter sends a message, or begins a new line: a choice of this browser. */

import { useSyncExternalStore } from "react";
import { forget, store, stored } from "../api/storage";

const NAME = "everruns.enter_sends";
const listeners = new Set<() => void>();

/** Tell whether Enter sends; Ctrl+Enter always does. */
export function useEnterSends(): boolean {
  return useSyncExternalStore(listen, enterSends);
}

/** Keep whether Enter sends. */
export function chooseEnterSends(sends: boolean): void {
  if (sends) forget("browser", NAME);
  else store("browser", NAME, "false");
  for (const listener of listeners) listener();
}

function enterSends(): boolean {
  return stored("browser", NAME) !== "false";
}

function listen(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
