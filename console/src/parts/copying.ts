/** Copying to the clipboard, and saying whether it was done. */

import { useCallback, useEffect, useRef, useState } from "react";
import { Failure } from "../api/failures";

/** What a copy led to, as a button says it. */
export type CopyOutcome = "Copied" | "Not copied";

/** How long the outcome is shown. */
const SHOWN_MS = 1500;

/** Return the outcome of a copy made a moment ago, if any, and how to copy a text. */
export function useCopy(): [outcome: CopyOutcome | null, copy: (text: string) => Promise<void>] {
  const [outcome, setOutcome] = useState<CopyOutcome | null>(null);
  const timer = useRef<number | undefined>(undefined);
  useEffect(() => () => window.clearTimeout(timer.current), []);
  const copy = useCallback(async (text: string) => {
    setOutcome(await outcomeOf(text));
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => setOutcome(null), SHOWN_MS);
  }, []);
  return [outcome, copy];
}

/**
 * Copy a text to the clipboard.
 *
 * @throws Failure - The browser does not let the page copy.
 */
export async function copyText(text: string): Promise<void> {
  if (!(await isCopied(text))) {
    throw new Failure(
      "NOT_COPIED",
      "This browser does not let the page copy. Select the text instead.",
      0,
    );
  }
}

async function isCopied(text: string): Promise<boolean> {
  if (!window.isSecureContext) return copyByCommand(text);
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch (error) {
    if (error instanceof DOMException) return false;
    throw error;
  }
}

function copyByCommand(text: string): boolean {
  // Over plain HTTP from another machine, browsers offer no clipboard but this old command.
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return isDone;
}

async function outcomeOf(text: string): Promise<CopyOutcome> {
  try {
    await copyText(text);
    return "Copied";
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return "Not copied";
  }
}
