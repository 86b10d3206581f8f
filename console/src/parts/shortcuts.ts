/** Keys that do something on a screen, unless somebody is typing. */

import { useEffect, useRef } from "react";
import { isTyping } from "./typing";

/** What keys do, by the name that the browser has for each: `{ j: next, "/": search }`. */
export type Shortcuts = Readonly<Record<string, (event: KeyboardEvent) => void>>;

/** Let keys do something while a component is shown. */
export function useShortcuts(shortcuts: Shortcuts): void {
  const current = useRef(shortcuts);
  useEffect(() => {
    current.current = shortcuts;
  });
  useEffect(() => {
    function press(event: KeyboardEvent) {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (isTyping(event.target)) return;
      const act = current.current[event.key];
      if (act === undefined) return;
      event.preventDefault();
      act(event);
    }
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
}
