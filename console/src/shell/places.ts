/** The screens one can go to: their names, their keys after `g`, and how they are grouped. */

import type { IconName } from "./icons";

/** One screen of the navigation. */
export interface Place {
  to:
    | "/"
    | "/sessions"
    | "/agents"
    | "/providers"
    | "/capabilities"
    | "/usage"
    | "/cluster"
    | "/sql"
    | "/settings";
  name: string;
  icon: IconName;
  /** The key that goes there when it is pressed after `g`. */
  key: string;
  /** Whether the server shows it only to those who may do everything. */
  isForAdministrators?: boolean;
}

/** The screens by what one does there: work, build, watch, set up. */
export const PLACES: readonly (readonly Place[])[] = [
  [
    { to: "/", name: "Start", icon: "start", key: "h" },
    { to: "/sessions", name: "Sessions", icon: "sessions", key: "s" },
    { to: "/agents", name: "Agents", icon: "agents", key: "a" },
  ],
  [
    { to: "/providers", name: "Providers", icon: "providers", key: "p", isForAdministrators: true },
    {
      to: "/capabilities",
      name: "Capabilities",
      icon: "capabilities",
      key: "c",
      isForAdministrators: true,
    },
  ],
  [
    { to: "/usage", name: "Usage", icon: "usage", key: "u" },
    { to: "/cluster", name: "Cluster", icon: "cluster", key: "k", isForAdministrators: true },
    { to: "/sql", name: "SQL", icon: "sql", key: "q", isForAdministrators: true },
  ],
  [{ to: "/settings", name: "Settings", icon: "settings", key: "e" }],
];

/** Return the screens that somebody can use. */
export function placesFor(hasLimits: boolean): readonly (readonly Place[])[] {
  if (!hasLimits) return PLACES;
  return PLACES.map((group) => group.filter((place) => !place.isForAdministrators)).filter(
    (group) => group.length > 0,
  );
}
