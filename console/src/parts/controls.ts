/** Characters that change how the text around them is drawn, and are not seen themselves. */

// Embeddings, overrides and isolates of Unicode's bidirectional algorithm.
const DIRECTION_CONTROL = /[\u202a-\u202e\u2066-\u2069]/g;

/**
 * Return a text in which controls of the direction are seen and do nothing.
 *
 * With them, code and arguments can be drawn in another order than they have.
 */
export function withVisibleControls(text: string): string {
  return text.replace(
    DIRECTION_CONTROL,
    (control) => `[U+${control.charCodeAt(0).toString(16).toUpperCase()}]`,
  );
}
