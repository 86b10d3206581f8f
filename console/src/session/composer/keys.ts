/** What the keys of the composer do. */

/** What a key event tells. */
export interface Key {
  readonly key: string;
  readonly shiftKey: boolean;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  /** Whether an input method is composing a character, to which the key belongs. */
  readonly isComposing: boolean;
}

/** What the composer is in when a key is pressed. */
export interface Surroundings {
  /** Whether the text is empty, or one that was recalled and not changed. */
  readonly isUntouched: boolean;
  /** Whether a turn can be stopped. */
  readonly isRunning: boolean;
  /** Whether Escape was pressed a moment ago. */
  readonly isStopAsked: boolean;
  /** Whether Enter sends without another key, as the user chose. */
  readonly enterSends: boolean;
}

/** What a key does; null leaves it to the text field. */
export type Action = "send" | "recall_earlier" | "recall_later" | "ask_to_stop" | "stop" | null;

/** Return what a key does. */
export function actionOf(
  key: Key,
  { isUntouched, isRunning, isStopAsked, enterSends }: Surroundings,
): Action {
  if (key.isComposing || key.altKey) return null;
  const isPlain = !(key.shiftKey || key.ctrlKey || key.metaKey);
  switch (key.key) {
    case "Enter":
      if (key.shiftKey) return null;
      return enterSends || key.ctrlKey || key.metaKey ? "send" : null;
    case "Escape":
      if (!isRunning || !isPlain) return null;
      return isStopAsked ? "stop" : "ask_to_stop";
    case "ArrowUp":
      return isUntouched && isPlain ? "recall_earlier" : null;
    case "ArrowDown":
      return isUntouched && isPlain ? "recall_later" : null;
    default:
      return null;
  }
}
