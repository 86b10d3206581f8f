/** What agents and sessions are called on every screen; anybody may have named them. */

import { withVisibleControls } from "../parts/controls";
import type { Schemas } from "./client";

/** Return what an agent is called: its display name, or else its name. */
export function agentName({ display_name, name }: Schemas["Agent"]): string {
  return withVisibleControls(display_name ?? name);
}

/** Return what a session is called: its title, or else how it begins. */
export function sessionName({ title, preview }: Schemas["Session"]): string {
  return withVisibleControls(title ?? preview ?? "Untitled session");
}
