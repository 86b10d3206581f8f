/** What the screen of providers asks the server for. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answered, api, type Schemas } from "../api/client";
import { everyItem, LONGEST_PAGE } from "../api/pages";

/** Return all providers, each with its models. */
export function useProviders() {
  return useQuery({
    queryKey: ["providers"],
    queryFn: () =>
      everyItem<Schemas["Provider"]>((offset) =>
        answered(
          api.GET("/v1/llm-providers", { params: { query: { offset, limit: LONGEST_PAGE } } }),
        ),
      ),
  });
}

/** Return how to add a provider. */
export function useNewProvider() {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: (provider: Schemas["ProviderInput"]) =>
      answered(api.POST("/v1/llm-providers", { body: provider })),
    onSuccess: refresh,
    // A key must not stay in the page's memory.
    gcTime: 0,
  });
}

/** Return how to change a provider. */
export function useChangedProvider(providerId: string) {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: (patch: Schemas["ProviderPatch"]) =>
      answered(
        api.PATCH("/v1/llm-providers/{provider_id}", { params: at(providerId), body: patch }),
      ),
    onSuccess: refresh,
    gcTime: 0,
  });
}

/** Return how to delete a provider. */
export function useDeletedProvider(providerId: string) {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: () => api.DELETE("/v1/llm-providers/{provider_id}", { params: at(providerId) }),
    onSuccess: refresh,
  });
}

/** Return how to call a model of a provider, its default one if none is named. */
export function useTest(providerId: string) {
  return useMutation({
    mutationFn: (model: string | undefined) =>
      answered(
        api.POST("/v1/llm-providers/{provider_id}/test", {
          params: at(providerId),
          body: model === undefined ? {} : { model },
        }),
      ),
  });
}

/** Return how to read a provider's own list of models. */
export function useSync(providerId: string) {
  const refresh = useRefresh();
  return useMutation({
    mutationFn: () =>
      answered(api.POST("/v1/llm-providers/{provider_id}/sync-models", { params: at(providerId) })),
    onSuccess: refresh,
  });
}

function at(providerId: string) {
  return { path: { provider_id: providerId } };
}

function useRefresh() {
  const queries = useQueryClient();
  return () =>
    Promise.all([
      queries.invalidateQueries({ queryKey: ["providers"] }),
      queries.invalidateQueries({ queryKey: ["models"] }),
    ]);
}
