import { useState } from "react";
import { AgentPicker } from "../parts/agents/AgentPicker";
import { Button } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { useNewSession } from "../parts/newSession";
import { Failed } from "../parts/State";
import styles from "./NewSession.module.css";

interface NewSessionProps {
  /** The agent that is chosen at first. */
  agentId: string | null;
  onClose: () => void;
}

/** Create a session and go there. */
export function NewSession({ agentId, onClose }: NewSessionProps) {
  const [chosen, setChosen] = useState(agentId);
  const creation = useNewSession();

  function create() {
    if (!creation.isPending) creation.mutate(chosen === null ? {} : { agent_id: chosen });
  }

  return (
    <Dialog isOpen title="New session" onClose={onClose}>
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault();
          create();
        }}
      >
        <AgentPicker
          label="Agent"
          isLabelShown
          placeholder="None: the default model, without instructions"
          value={chosen}
          onChange={setChosen}
        />
        {creation.error !== null && <Failed error={creation.error} />}
        <div className={styles.actions}>
          <Button tone="primary" type="submit" isBusy={creation.isPending}>
            Create session
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
