/** What the screen of capabilities and MCP servers reads and changes. */

import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answered, api, type Schemas } from "../api/client";
import { everyItem, LONGEST_PAGE } from "../api/pages";
import { useKeyed } from "../parts/idempotency";

/** Return the agents that have a capability, among the newest, and how many were looked at. */
export function useAgentsWith(capability: string) {
  return useQuery({
    queryKey: ["agents", { newest: LONGEST_PAGE }],
    queryFn: () => answered(api.GET("/v1/agents", { params: { query: { limit: LONGEST_PAGE } } })),
    select: (page) => ({
      agents: page.data.filter((agent) =>
        (agent.capabilities ?? []).some(({ ref }) => ref === capability),
      ),
      searched: page.data.length,
      total: page.total,
    }),
  });
}

/** Return the MCP servers of the catalogue and of the configuration. */
export function useServers() {
  return useQuery({
    queryKey: ["mcp-servers"],
    queryFn: () =>
      everyItem<Schemas["McpServer"]>((offset) =>
        answered(
          api.GET("/v1/mcp-servers", { params: { query: { offset, limit: LONGEST_PAGE } } }),
        ),
      ),
  });
}

/** Add an MCP server. */
export function useAddServer() {
  const changed = useServersChanged();
  return useMutation({
    mutationFn: useKeyed((body: Schemas["McpServerInput"], header) =>
      answered(api.POST("/v1/mcp-servers", { params: { header }, body })),
    ),
    onSuccess: changed,
  });
}

/** Change some fields of an MCP server. */
export function useChangeServer(id: string) {
  const changed = useServersChanged();
  return useMutation({
    mutationFn: (body: Schemas["McpServerPatch"]) =>
      answered(api.PATCH("/v1/mcp-servers/{mcpserver_id}", { ...at(id), body })),
    onSuccess: changed,
  });
}

/** Delete an MCP server. */
export function useDeleteServer(id: string) {
  const changed = useServersChanged();
  return useMutation({
    mutationFn: () => api.DELETE("/v1/mcp-servers/{mcpserver_id}", at(id)),
    onSuccess: changed,
  });
}

/** Connect to an MCP server and list its tools. */
export function useTestServer(id: string) {
  return useMutation({
    mutationFn: () => answered(api.POST("/v1/mcp-servers/{mcpserver_id}/test", at(id))),
  });
}

/** How many authorizations a page has. */
export const AUTHORIZATIONS_PER_PAGE = 25;

/** Return who has authorized agents at a server, a page of them; the first is 1. */
export function useAuthorizations(serverId: string, page: number) {
  const query = { offset: (page - 1) * AUTHORIZATIONS_PER_PAGE, limit: AUTHORIZATIONS_PER_PAGE };
  return useQuery({
    queryKey: ["mcp-servers", serverId, "authorizations", query],
    queryFn: () =>
      answered(
        api.GET("/v1/mcp-servers/{mcpserver_id}/authorizations", {
          params: { path: { mcpserver_id: serverId }, query },
        }),
      ),
    placeholderData: keepPreviousData,
  });
}

/** Get the address at which somebody consents. */
export function useAuthorize(serverId: string) {
  return useMutation({
    mutationFn: (body: Schemas["McpAuthorizationInput"]) =>
      answered(
        api.POST("/v1/mcp-servers/{mcpserver_id}/authorizations", { ...at(serverId), body }),
      ),
  });
}

/** End an authorization. */
export function useEndAuthorization(serverId: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (authorization: string) =>
      api.DELETE("/v1/mcp-servers/{mcpserver_id}/authorizations/{mcpauthorization_id}", {
        params: { path: { mcpserver_id: serverId, mcpauthorization_id: authorization } },
      }),
    onSuccess: () =>
      queries.invalidateQueries({ queryKey: ["mcp-servers", serverId, "authorizations"] }),
  });
}

function at(serverId: string) {
  return { params: { path: { mcpserver_id: serverId } } };
}

/** Return what is done after a change of servers: active ones are capabilities too. */
function useServersChanged() {
  const queries = useQueryClient();
  return () =>
    Promise.all([
      queries.invalidateQueries({ queryKey: ["mcp-servers"] }),
      queries.invalidateQueries({ queryKey: ["capabilities"] }),
    ]);
}
