import { useAgentName } from "./queries";

/** What an agent is called, where only its id is known. */
export function AgentName({ id }: { id: string }) {
  return useAgentName(id);
}
