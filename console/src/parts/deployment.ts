/** What the server is, and what this page may do there. */

import { useQuery } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { answered, api } from "../api/client";
import { credential, onCredentialChange } from "../api/credential";

/** Ask what the server is and what the API key may do, if there is one. */
export function useDeployment() {
  const key = useSyncExternalStore(onCredentialChange, credential);
  return useQuery({
    queryKey: deploymentKey(key),
    queryFn: () => answered(api.GET("/v1/deployment")),
    staleTime: 60_000,
  });
}

/** Return the query key of what the server says about itself to an API key. */
export function deploymentKey(key: string | null): readonly unknown[] {
  return ["deployment", key];
}
