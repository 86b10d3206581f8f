/** What keys are called on the reader's machine. */

/** Return the name of a key that is pressed together with Ctrl, or with Command on a Mac. */
export function withCommand(key: string): string {
  const isApple = /Mac|iPhone|iPad/.test(navigator.userAgent);
  return isApple ? `⌘${key}` : `Ctrl+${key}`;
}
