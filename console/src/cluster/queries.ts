/** What the cluster screen asks the server for. */

import { useQuery } from "@tanstack/react-query";
import { useRef } from "react";
import { answered, api, type Schemas } from "../api/client";

/** The state of the cluster, with the one before it, from which rates are computed. */
export interface Observed {
  state: Schemas["ClusterState"];
  before: Schemas["ClusterState"] | undefined;
}

/** Return the state of the cluster every two seconds while the page is seen. */
export function useCluster() {
  const last = useRef<Observed>(undefined);
  return useQuery({
    queryKey: ["cluster"],
    queryFn: async (): Promise<Observed> => {
      const state = await answered(api.GET("/v1/cluster"));
      // The server answers with the same state for a second.
      const before =
        last.current?.state.at === state.at ? last.current.before : last.current?.state;
      last.current = { state, before };
      return last.current;
    },
    refetchInterval: 2_000,
  });
}
