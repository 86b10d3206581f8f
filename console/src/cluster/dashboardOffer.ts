/** Whose the Ray dashboard is and how it starts, as the server's settings tell. */

import type { Schemas } from "../api/client";
import { quoted } from "../parts/Curl";

/** How the dashboard of a server starts, and how commands name that server. */
export interface DashboardOffer {
  /**
   * Who starts it.
   *
   * - `on_demand`: whoever wants to look, with a command;
   * - `on`: the server, when it starts itself;
   * - `off`: nobody;
   * - `joined`: whoever runs the Ray cluster that the server has joined;
   * - `untold`: the server does not tell its settings.
   */
  starter: "on_demand" | "on" | "off" | "joined" | "untold";
  /** The flag that names the server's data directory to commands; empty for the default one. */
  flag: string;
}

/** Return how the dashboard starts. Some servers do not tell their settings. */
export function offerOf(
  settings: readonly Schemas["ShownSetting"][] | null | undefined,
): DashboardOffer {
  const named = new Map(settings?.map((setting) => [setting.name, setting]));
  const folder = named.get("data_dir");
  const hasOwnFolder = typeof folder?.value === "string" && !folder.is_default;
  return {
    starter: named.get("ray_address")?.is_set ? "joined" : starterOf(named.get("dashboard")?.value),
    flag: hasOwnFolder ? ` --data-dir ${quoted(String(folder.value))}` : "",
  };
}

function starterOf(value: unknown): DashboardOffer["starter"] {
  return value === "on_demand" || value === "on" || value === "off" ? value : "untold";
}
