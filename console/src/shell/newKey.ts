/** Taking another API key into use. */

import { type Query, useMutation, useQueryClient } from "@tanstack/react-query";
import { answered, api } from "../api/client";
import { keepCredential, withKey } from "../api/credential";
import { deploymentKey } from "../parts/deployment";

/**
 * Return how to try out an API key. If the server admits it, the page uses it from then on.
 *
 * @param remembers - Whether it is kept for all tabs of the browser.
 */
export function useNewKey(remembers: boolean) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (key: string) => answered(api.GET("/v1/deployment", { headers: withKey(key) })),
    onSuccess: (deployment, key) => {
      queries.setQueryData(deploymentKey(key), deployment);
      keepCredential(key, remembers);
      // What is on the screen stays until it is read again; all else that the old key read goes.
      const predicate = ({ queryKey }: Query) => queryKey[0] !== deploymentKey(key)[0];
      queries.removeQueries({ type: "inactive", predicate });
      void queries.invalidateQueries({ predicate });
    },
    // A key must not stay in the page's memory.
    gcTime: 0,
  });
}
