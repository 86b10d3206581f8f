import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { isTyping } from "../parts/typing";
import { pressed } from "./keys";

// How long the second of two keys may take.
const PATIENCE_MS = 1200;

/** Obey the keys that work everywhere. */
export function useKeys(openPalette: () => void, openKeys: () => void): void {
  const navigate = useNavigate();
  const pending = useRef<{ key: string; at: number }>(undefined);

  useEffect(() => {
    function onKeyDown(event: KeyboardEvent) {
      if (event.isComposing || event.repeat) return;
      const { current } = pending;
      const isFresh = current !== undefined && event.timeStamp - current.at < PATIENCE_MS;
      const outcome = pressed(event, isFresh ? current.key : undefined, isTyping(event.target));
      pending.current =
        outcome.pending === undefined ? undefined : { key: outcome.pending, at: event.timeStamp };
      const { command } = outcome;
      if (command === undefined) return;
      if (command.do === "search" && !focusSearch()) return;
      // The screen must not take the second key of two for one of its own.
      event.preventDefault();
      event.stopPropagation();
      if (command.do === "go") navigate({ to: command.to });
      if (command.do === "palette") openPalette();
      if (command.do === "keys") openKeys();
    }
    window.addEventListener("keydown", onKeyDown, { capture: true });
    return () => window.removeEventListener("keydown", onKeyDown, { capture: true });
  }, [navigate, openPalette, openKeys]);
}

function focusSearch(): boolean {
  const field = document.querySelector<HTMLInputElement>("main input[type=search]");
  field?.focus();
  field?.select();
  return field !== null;
}
