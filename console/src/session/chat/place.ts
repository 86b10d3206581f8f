/** Whether the conversation is shown at its end, or where its reader has scrolled to. */

/** The visible part of the conversation, in pixels. */
export interface Viewport {
  readonly top: number;
  readonly height: number;
  readonly contentHeight: number;
}

/** Where the reader is. */
export interface Place {
  /** Whether the end stays in view when something comes. */
  readonly sticks: boolean;
  /** How many things have come at the end, out of view. */
  readonly unseen: number;
}

/** The place at which a conversation opens. */
export const AT_END: Place = { sticks: true, unseen: 0 };

/** How near the end counts as the end. */
const NEAR = 48;

/** Return how far it is from what is seen to the end. */
function belowOf({ top, height, contentHeight }: Viewport): number {
  return contentHeight - top - height;
}

/**
 * Return the place after a scroll.
 *
 * Only the reader scrolls up. Content that grows moves the end away as well, and must not count.
 */
export function scrolled(place: Place, before: Viewport, now: Viewport): Place {
  if (belowOf(now) <= NEAR) return place.sticks && place.unseen === 0 ? place : AT_END;
  if (now.top < before.top && place.sticks) return { ...place, sticks: false };
  return place;
}

/** Return the place after things have come at the end. */
export function arrived(place: Place, count: number): Place {
  return place.sticks || count <= 0 ? place : { ...place, unseen: place.unseen + count };
}

/** Return the place while something is read that was opened: what grows must not push it away. */
export function held(place: Place): Place {
  return place.sticks ? { ...place, sticks: false } : place;
}
