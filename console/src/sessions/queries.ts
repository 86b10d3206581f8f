/** What the list of sessions asks of the server. */

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { answered, api, type Schemas } from "../api/client";
import { type Filters, queryOf } from "./filters";

export type Session = Schemas["Session"];

const POLL_MS = 3_000;

/** Follow one page of the list for as long as the tab is visible. */
export function useSessions(filters: Filters) {
  return useQuery({
    queryKey: ["sessions", filters],
    queryFn: ({ signal }) =>
      answered(
        api.GET("/v1/sessions", { params: { query: queryOf(filters, new Date()) }, signal }),
      ),
    refetchInterval: POLL_MS,
    placeholderData: keepPreviousData,
  });
}
