/** Agents to choose from and to name, of which there may be any number. */

import { keepPreviousData, useQueries, useQuery } from "@tanstack/react-query";
import { answered, api, type Schemas } from "../../api/client";
import { agentName } from "../../api/displayNames";
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

/** Read agents by their ids. One that is missing was archived. */
export function useAgentsById(ids: readonly string[]): ReadonlyMap<string, Agent> {
  return useQueries({
    queries: ids.map((id) => ({
      queryKey: ["agent", id],
      queryFn: () =>
        answered(api.GET("/v1/agents/{agent_id}", { params: { path: { agent_id: id } } })),
      staleTime: STALE_MS,
    })),
    combine: (results) =>
      new Map(
        results.flatMap(({ data }) => (data === undefined ? [] : [[data.id, data] as const])),
      ),
  });
}

/** Return the name of an agent; its id while that is not known, and of one that was archived. */
export function useAgentName(id: string): string {
  const agent = useAgentsById([id]).get(id);
  return agent === undefined ? shortId(id) : agentName(agent);
}
