/** The session of somebody who has made no agent yet. */

import { useMutation } from "@tanstack/react-query";
import { answered, api, type Schemas } from "../api/client";
import { useNewSession } from "../parts/newSession";
import { agentNamed } from "./queries";

const ASSISTANT = {
  name: "Assistant",
  description: "Made by the start of the console, for the first session.",
  system_prompt: "You are a helpful assistant. Answer briefly.",
};

/** Return how to open a session with a general assistant, which is created if it is missing. */
export function useFirstSession(model: Schemas["OfferedModel"]) {
  const begin = useNewSession();
  return useMutation({
    mutationFn: async () => {
      const agent =
        (await agentNamed(ASSISTANT.name)) ??
        (await answered(api.POST("/v1/agents", { body: ASSISTANT })));
      await begin.mutateAsync({
        agent_id: agent.id,
        // The default model may be another one by the time of the next message.
        ...(!model.is_default && { model_id: model.id }),
      });
    },
  });
}
