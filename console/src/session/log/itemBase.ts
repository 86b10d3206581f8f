/** What messages, calls and other items of a turn have in common. */

/** What every item has. */
export interface ItemBase {
  /** Unique in the session, and the same for as long as the item is there. */
  readonly key: string;
  /** The event with which it began. */
  readonly sequence: number;
  readonly atMs: number;
  /** Whether a retry has taken it out of the conversation. */
  readonly isSuperseded: boolean;
}
