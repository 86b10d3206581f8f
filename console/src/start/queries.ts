/** What the start asks the server for, each thing in one cheap request. */

import { useQuery } from "@tanstack/react-query";
import { answered, api, type Schemas } from "../api/client";
import { dayBefore } from "../parts/days";
import { usageReport } from "../parts/usageReport";

/** The agent that shows a tool call, an approval and a question; the server made it. */
const DEMONSTRATION = "demonstration";

type Wanted = "waiting" | "running" | "recent";
const FILTERS = {
  waiting: { waiting: "true" },
  running: { status: "active" },
  recent: {},
} as const;

/** Return the sessions last changed that wait, run, or are there at all. */
export function useSessions(wanted: Wanted, limit: number) {
  return useQuery({
    queryKey: ["sessions", "start", wanted, limit],
    queryFn: () =>
      answered(
        api.GET("/v1/sessions", {
          params: { query: { ...FILTERS[wanted], sort: "updated", limit } },
        }),
      ),
    refetchInterval: 5_000,
  });
}

/** Return what was used on each of the last seven days. */
export function useWeek() {
  const from = dayBefore(new Date(), 6);
  return useQuery({
    queryKey: ["usage", "week", from],
    queryFn: () => usageReport({ from, group_by: ["day"] }),
    refetchInterval: 30_000,
  });
}

/** Return the model that needs no setup: the local one, or else the default one. */
export function useFirstModel() {
  return useQuery({
    queryKey: ["models", "first"],
    queryFn: async () => {
      const { data } = await answered(api.GET("/v1/models", { params: { query: { limit: 100 } } }));
      return firstModel(data) ?? null;
    },
  });
}

/** Return the demonstration agent, or null if there is none. */
export function useDemonstration() {
  return useQuery({
    queryKey: ["agents", "demonstration"],
    queryFn: () => agentNamed(DEMONSTRATION),
  });
}

/** Choose the model for a first conversation: the local one if there is one. */
export function firstModel(
  models: readonly Schemas["OfferedModel"][],
): Schemas["OfferedModel"] | undefined {
  return (
    models.find((model) => model.provider_type === "local") ??
    models.find((model) => model.is_default) ??
    models[0]
  );
}

/** Return the newest agent with exactly this name, or null. */
export async function agentNamed(name: string): Promise<Schemas["Agent"] | null> {
  const query = { search: name, limit: 50 };
  const { data } = await answered(api.GET("/v1/agents", { params: { query } }));
  return data.find((agent) => agent.name === name) ?? null;
}
