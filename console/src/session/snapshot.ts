/** What a follower knows of its session at a moment. */

import type { Failure } from "../api/failures";
import type { Transcript } from "./log/types";

/** How the follower stands with the server. */
export type Connection =
  | { readonly kind: "connecting" }
  | { readonly kind: "connected" }
  /** It tries again at `untilMs`, milliseconds since the epoch. */
  | { readonly kind: "reconnecting"; readonly untilMs: number; readonly failure: Failure | null }
  /** The page has been hidden for a while; when it is shown again, nothing will be missing. */
  | { readonly kind: "paused" }
  /** It does not try again: the session was deleted, or the reader may not read it. */
  | { readonly kind: "ended"; readonly failure: Failure };

/** Whether there are events before those that are loaded. */
export type Earlier =
  | { readonly kind: "some" }
  | { readonly kind: "none" }
  | { readonly kind: "loading" }
  | { readonly kind: "failed"; readonly failure: Failure };

/** What a screen draws. */
export interface Followed {
  readonly transcript: Transcript;
  readonly connection: Connection;
  readonly earlier: Earlier;
}
