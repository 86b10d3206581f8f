/** How many sessions wait for somebody. */

import { useQuery } from "@tanstack/react-query";
import { answered, api } from "../api/client";

/** Return how many sessions wait for a person or a client, brought up to date while the tab is seen. */
export function useWaitingCount(isEnabled: boolean): number {
  const waiting = useQuery({
    queryKey: ["sessions", "waiting", "count"],
    queryFn: () =>
      answered(api.GET("/v1/sessions", { params: { query: { waiting: "true", limit: 1 } } })),
    select: (page) => page.total,
    enabled: isEnabled,
    refetchInterval: 5_000,
  });
  return waiting.data ?? 0;
}
