/** What the palette offers for what one types. */

/** Something that the palette offers. */
export interface Offer {
  id: string;
  name: string;
  /** Other words that find it. */
  words?: string;
  /** What is said beside it, such as its keys. */
  hint?: string;
  run: () => void;
}

/** Offers under a heading. */
export interface OfferGroup {
  value: string;
  items: Offer[];
}

/**
 * Return the offers that have every word of a text, best first.
 *
 * An offer whose words begin with those of the text is better than one that has them inside.
 */
export function matching(offers: readonly Offer[], text: string): Offer[] {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return [...offers];
  return offers
    .map((offer) => ({ offer, score: scored(offer, wanted) }))
    .filter(({ score }) => score > 0)
    .sort((one, other) => other.score - one.score)
    .map(({ offer }) => offer);
}

function scored(offer: Offer, wanted: readonly string[]): number {
  const name = offer.name.toLowerCase();
  const all = `${name} ${offer.words?.toLowerCase() ?? ""}`;
  let score = 0;
  for (const word of wanted) {
    if (name.startsWith(word)) score += 4;
    else if (` ${name}`.includes(` ${word}`)) score += 3;
    else if (` ${all}`.includes(` ${word}`)) score += 2;
    else if (all.includes(word)) score += 1;
    else return 0;
  }
  return score;
}
