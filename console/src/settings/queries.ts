/** What the settings ask the server for. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answered, api, type Schemas } from "../api/client";
import { everyItem, LONGEST_PAGE } from "../api/pages";

/** Return all API keys, without their secrets. */
export function useApiKeys() {
  return useQuery({
    queryKey: ["api-keys"],
    queryFn: () =>
      everyItem<Schemas["ApiKeyShown"]>((offset) =>
        answered(api.GET("/v1/api-keys", { params: { query: { offset, limit: LONGEST_PAGE } } })),
      ),
  });
}

/** Return how to create an API key. Its secret is in the answer, and nowhere else. */
export function useNewApiKey() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (key: Schemas["ApiKeyInput"]) => answered(api.POST("/v1/api-keys", { body: key })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["api-keys"] }),
    gcTime: 0,
  });
}

/** Return how to revoke an API key. */
export function useRevokedApiKey() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (keyId: string) =>
      api.DELETE("/v1/api-keys/{key_id}", { params: { path: { key_id: keyId } } }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["api-keys"] }),
  });
}
