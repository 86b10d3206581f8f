/** Beginning a session and opening it. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { answered, api, type Schemas } from "../api/client";
import { useDeployment } from "./deployment";
import { useKeyed } from "./idempotency";

/** Return how to create a session, which is opened when it is there. */
export function useNewSession() {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const deployment = useDeployment();
  // Who is bound to agents cannot have a session without one.
  const boundTo = deployment.data?.caller.agent_ids[0];
  const create = useKeyed<Schemas["SessionInput"], Schemas["Session"]>((body, header) =>
    answered(api.POST("/v1/sessions", { params: { header }, body })),
  );
  return useMutation({
    mutationFn: (session: Schemas["SessionInput"]) =>
      create({ ...(boundTo !== undefined && { agent_id: boundTo }), ...session }),
    onSuccess: async (session) => {
      await navigate({ to: "/sessions/$sessionId", params: { sessionId: session.id } });
      await queries.invalidateQueries({ queryKey: ["sessions"] });
    },
  });
}
