import { useNavigate } from "@tanstack/react-router";
import { type ChangeEvent, useId, useState } from "react";
import { Button } from "../parts/Button";
import { Dialog } from "../parts/Dialog";
import { TextAreaField } from "../parts/form/TextField";
import { Failed } from "../parts/State";
import styles from "./Agents.module.css";
import { useImportAgent } from "./queries";

const EXAMPLE = `---
name: research-assistant
capabilities:
- current_time
---
You are a careful research assistant.`;

/** A dialog that makes an agent from a document. */
export function ImportAgent({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const [text, setText] = useState("");
  const importing = useImportAgent();
  const navigate = useNavigate();
  const file = useId();

  async function read(event: ChangeEvent<HTMLInputElement>) {
    const [chosen] = event.target.files ?? [];
    if (chosen !== undefined) setText(await chosen.text());
  }

  function run() {
    importing.mutate(text, {
      onSuccess: (agent) => {
        setText("");
        onClose();
        navigate({ to: "/agents/$agentId", params: { agentId: agent.id } });
      },
    });
  }

  return (
    <Dialog
      isOpen={isOpen}
      onClose={onClose}
      isWide
      title="Import an agent"
      description="Markdown with YAML front matter, YAML or JSON, as an agent is exported. Any other text becomes the prompt of a new agent."
    >
      <p className={styles.file}>
        <label htmlFor={file}>From a file</label>
        <input id={file} type="file" accept=".md,.yaml,.yml,.json,.txt" onChange={read} />
      </p>
      <TextAreaField
        label="Document"
        value={text}
        onChange={setText}
        placeholder={EXAMPLE}
        lines={10}
        isMono
      />
      {importing.error !== null && <Failed error={importing.error} />}
      <div>
        <Button
          tone="primary"
          disabled={text.trim() === ""}
          isBusy={importing.isPending}
          onClick={run}
        >
          Import
        </Button>
      </div>
    </Dialog>
  );
}
