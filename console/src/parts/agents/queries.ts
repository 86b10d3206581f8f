/** Agents to choose from and to name, of which there may be any number. */

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { answered, api, type Schemas } from "../../api/client";
import { agentName } from "../../api/displayNames";
import { everyItem, LONGEST_PAGE } from "../../api/pages";
import { shortId } from "../formats";

type Agent = Schemas["Agent"];

const STALE_MS = 60_000;

/** Read agents whose name contains a text; the newest if it is empty. */
export function useAgentsNamed(text: string) {
  return useQuery({
    queryKey: ["agents", "named", text],
    queryFn: ({ signal }) => {
      const query = { limit: 20, ...(text !== "" && { search: text }) };
      return answered(api.GET("/v1/agents", { params: { query }, signal }));
    },
    placeholderData: keepPreviousData,
  });
}

/** Return the names of agents by their ids, as far as they are known yet. */
export function useAgentNames(ids: readonly string[]): ReadonlyMap<string, string> {
  const wanted = [...new Set(ids)].sort();
  const { data } = useQuery({
    queryKey: ["agents", "by id", wanted],
    queryFn: ({ signal }) =>
      everyItem<Agent>((offset) => {
        const query = { id: wanted, offset, limit: LONGEST_PAGE };
        return answered(api.GET("/v1/agents", { params: { query }, signal }));
      }),
    enabled: wanted.length > 0,
    staleTime: STALE_MS,
    placeholderData: keepPreviousData,
  });
  return new Map(data?.map((agent) => [agent.id, agentName(agent)]));
}

/** Return the name of an agent; its id while that is not known. */
export function useAgentName(id: string): string {
  return useAgentNames([id]).get(id) ?? shortId(id);
}
