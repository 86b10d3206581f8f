/** What the screens of agents read and change. */

import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answered, api, type Schemas } from "../api/client";
import { everyItem, LONGEST_PAGE } from "../api/pages";
import { download } from "../parts/download";
import { useKeyed } from "../parts/idempotency";
import { usageReport } from "../parts/usageReport";

type AgentInput = Schemas["AgentInput"];
type AgentPatch = Schemas["AgentPatch"];

/** How many agents a page of the list has. */
export const PAGE_LENGTH = 25;

const COUNTS_FRESH_MS = 30_000;

/** Return a page of the active agents, each with how many sessions it has. */
export function useAgents(search: string | undefined, page: number) {
  const query = {
    offset: (page - 1) * PAGE_LENGTH,
    limit: PAGE_LENGTH,
    session_counts: true,
    ...(search === undefined ? {} : { search }),
  };
  return useQuery({
    queryKey: ["agents", query],
    queryFn: () => answered(api.GET("/v1/agents", { params: { query } })),
    placeholderData: keepPreviousData,
  });
}

/** Return an agent. */
export function useAgent(id: string) {
  return useQuery({
    queryKey: ["agent", id],
    queryFn: () => answered(api.GET("/v1/agents/{agent_id}", at(id))),
  });
}

/** Return an agent's newest sessions, and how many it has. */
export function useSessionsOf(agentId: string, limit: number) {
  return useQuery({
    queryKey: ["sessions", { agentId, limit }],
    queryFn: () =>
      answered(
        api.GET("/v1/sessions", {
          params: { query: { agent_id: agentId, limit, sort: "updated" } },
        }),
      ),
    staleTime: COUNTS_FRESH_MS,
  });
}

/** Return what an agent has used in 30 days. */
export function useUsageOf(agentId: string) {
  return useQuery({
    queryKey: ["usage", { agentId }],
    queryFn: () => usageReport({ agent_id: agentId, limit: 1 }),
    staleTime: COUNTS_FRESH_MS,
  });
}

/** Return the budgets that all sessions of an agent share. */
export function useBudgetsOf(agentId: string) {
  return useQuery({
    queryKey: ["budgets", { agentId }],
    queryFn: () =>
      everyItem<Schemas["BudgetShown"]>((offset) =>
        answered(
          api.GET("/v1/budgets", {
            params: {
              query: { subject_type: "agent", subject_id: agentId, offset, limit: LONGEST_PAGE },
            },
          }),
        ),
      ),
  });
}

/** Make an agent. */
export function useCreateAgent() {
  const kept = useKept();
  return useMutation({
    mutationFn: useKeyed((body: AgentInput, header) =>
      answered(api.POST("/v1/agents", { params: { header }, body })),
    ),
    onSuccess: kept,
  });
}

/** Change some fields of an agent. */
export function useChangeAgent(id: string) {
  const kept = useKept();
  return useMutation({
    mutationFn: (body: AgentPatch) =>
      answered(api.PATCH("/v1/agents/{agent_id}", { ...at(id), body })),
    onSuccess: kept,
  });
}

/** Copy an agent under another name. */
export function useCopyAgent(id: string) {
  const kept = useKept();
  return useMutation({
    mutationFn: useKeyed<void, Schemas["Agent"]>((_, header) =>
      answered(
        api.POST("/v1/agents/{agent_id}/copy", { params: { path: { agent_id: id }, header } }),
      ),
    ),
    onSuccess: kept,
  });
}

/** Make an agent from a document. */
export function useImportAgent() {
  const kept = useKept();
  return useMutation({
    mutationFn: useKeyed((document: string, header) =>
      answered(
        api.POST("/v1/agents/import", {
          params: { header },
          body: document,
          bodySerializer: (text) => text,
          headers: { "content-type": "text/plain; charset=utf-8" },
        }),
      ),
    ),
    onSuccess: kept,
  });
}

/** Save an agent as a document. */
export function useExportAgent(id: string) {
  return useMutation({
    mutationFn: (fileName: string) =>
      download(api.GET("/v1/agents/{agent_id}/export", { ...at(id), parseAs: "blob" }), fileName),
  });
}

/** Archive an agent. */
export function useArchiveAgent(id: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => api.DELETE("/v1/agents/{agent_id}", at(id)),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["agents"] }),
  });
}

/** Begin a session with an agent. */
export function useStartSession(agentId: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: useKeyed<void, Schemas["Session"]>((_, header) =>
      answered(
        api.POST("/v1/agents/{agent_id}/sessions", {
          params: { path: { agent_id: agentId }, header },
          body: {},
        }),
      ),
    ),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["sessions"] }),
  });
}

function at(agentId: string) {
  return { params: { path: { agent_id: agentId } } };
}

/** Return what is done with an agent that was made or changed: it is known, lists are not. */
function useKept() {
  const queries = useQueryClient();
  return (agent: Schemas["Agent"]) => {
    queries.setQueryData(["agent", agent.id], agent);
    return queries.invalidateQueries({ queryKey: ["agents"] });
  };
}
