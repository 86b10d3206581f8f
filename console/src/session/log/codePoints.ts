/**
 * Text counted in code points, as offsets on the wire are.
 *
 * JavaScript counts UTF-16 units, of which a code point can have two: a pair of surrogates.
 */

/** A text that grows at its end, with its length in code points. */
export interface CountedText {
  readonly text: string;
  readonly length: number;
}

/** A text without content. */
export const EMPTY_TEXT: CountedText = { text: "", length: 0 };

/** Return how many code points a text has. */
export function codePointsIn(text: string): number {
  let pairs = 0;
  for (let at = 1; at < text.length; at++) {
    if (isLow(text.charCodeAt(at)) && isHigh(text.charCodeAt(at - 1))) pairs++;
  }
  return text.length - pairs;
}

/**
 * Return the first `offset` code points of a text, followed by a piece.
 *
 * A piece behind a gap changes nothing: the finished message has what is missing. Appending at the
 * end costs what the piece costs, however long the text is.
 */
export function written(before: CountedText, offset: number, piece: string): CountedText {
  if (offset > before.length) return before;
  const kept = offset === before.length ? before : firstOf(before, offset);
  // Only a piece that begins with the second half of a pair can join with what is there. Reading
  // the end of a long text would have the engine copy it.
  const joins =
    isLow(piece.charCodeAt(0)) && isHigh(kept.text.charCodeAt(kept.text.length - 1)) ? 1 : 0;
  return { text: kept.text + piece, length: kept.length + codePointsIn(piece) - joins };
}

function firstOf({ text }: CountedText, count: number): CountedText {
  let at = 0;
  for (let passed = 0; passed < count; passed++) {
    at += isHigh(text.charCodeAt(at)) && isLow(text.charCodeAt(at + 1)) ? 2 : 1;
  }
  return { text: text.slice(0, at), length: count };
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLow(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
