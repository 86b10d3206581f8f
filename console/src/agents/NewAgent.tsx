import { useNavigate } from "@tanstack/react-router";
import { Curl } from "../parts/Curl";
import { useTitle } from "../parts/title";
import styles from "./Agent.module.css";
import { EMPTY, inputOf } from "./draft";
import { type Edited, Editor } from "./Editor";
import { useCreateAgent } from "./queries";

const EXAMPLE = { name: "assistant", capabilities: ["current_time"] };

/** A new agent. */
export function NewAgent() {
  useTitle("New agent");
  const create = useCreateAgent();
  const navigate = useNavigate();

  function save({ draft }: Edited) {
    create.mutate(inputOf(draft), {
      onSuccess: (agent) =>
        navigate({
          to: "/agents/$agentId",
          params: { agentId: agent.id },
          ignoreBlocker: true,
        }),
    });
  }

  return (
    <div className={styles.page}>
      <h1>New agent</h1>
      <div className={styles.columns}>
        <Editor
          saved={EMPTY}
          isNew
          onSave={save}
          isSaving={create.isPending}
          error={create.error}
        />
        <aside className={styles.aside} aria-label="Without this page">
          <h2>In a terminal</h2>
          <Curl method="POST" path="/v1/agents" body={EXAMPLE} />
        </aside>
      </div>
    </div>
  );
}
