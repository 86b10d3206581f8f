import { useState } from "react";
import type { Schemas } from "../api/client";
import { AgentPicker } from "../parts/agents/AgentPicker";
import { useAgentName } from "../parts/agents/queries";
import { Button } from "../parts/Button";
import { useCopy } from "../parts/copying";
import { Dialog } from "../parts/Dialog";
import { Form } from "../parts/form/Form";
import { TextField } from "../parts/form/TextField";
import { useNewApiKey } from "./queries";
import styles from "./Settings.module.css";

type Right = Schemas["ApiKeyShown"]["rights"][number];

/** What each right allows, in the order of the contract. */
const RIGHTS: Record<Right, string> = {
  read: "read sessions, their events, files and usage",
  send: "send messages, cancel and retry turns",
  answer: "answer questions",
  run_tools: "send results of client-side tools",
  decide: "allow or reject held tool calls",
  create_sessions: "create and fork sessions",
  manage_sessions: "rename, tag and delete sessions",
  files: "change files of sessions",
  read_agents: "read the agents, their instructions included",
};
const ALL = Object.keys(RIGHTS) as Right[];

/** Asks what a new API key is for, and then shows it once. */
export function NewApiKey({ onClose }: { onClose: () => void }) {
  const creating = useNewApiKey();
  return (
    <Dialog isOpen onClose={onClose} title="New API key">
      {creating.data === undefined ? (
        <Limits creating={creating} />
      ) : (
        <Created apiKey={creating.data} onClose={onClose} />
      )}
    </Dialog>
  );
}

function Limits({ creating }: { creating: ReturnType<typeof useNewApiKey> }) {
  const [name, setName] = useState("");
  const [bound, setBound] = useState<string[]>([]);
  const [choices, setChoices] = useState(0);
  const [rights, setRights] = useState<Right[]>(ALL);

  function create() {
    creating.mutate({
      name: name.trim(),
      ...(bound.length > 0 && { agent_ids: bound, rights }),
    });
  }

  return (
    <Form
      action="Create API key"
      isDirty={name !== "" || bound.length > 0}
      isSaving={creating.isPending}
      error={creating.error}
      onSave={create}
    >
      <TextField
        label="Name"
        name="name"
        isRequired
        hint="What it is for."
        value={name}
        onChange={setName}
      />
      <fieldset className={styles.choices}>
        <legend>Only with these agents</legend>
        <p className={styles.quiet}>
          With none chosen, the key may do everything, in this console too.
        </p>
        {bound.map((id) => (
          <BoundAgent
            key={id}
            id={id}
            onRemove={() => setBound((before) => withOrWithout(before, id, false))}
          />
        ))}
        <AgentPicker
          // A new one after each choice, even of the same agent, so that its field is empty again.
          key={choices}
          label="Add an agent"
          placeholder="Add an agent"
          value={null}
          onChange={(id) => {
            if (id === null) return;
            setBound((before) => withOrWithout(before, id, true));
            setChoices((before) => before + 1);
          }}
        />
      </fieldset>
      {bound.length > 0 && (
        <fieldset className={styles.choices}>
          <legend>May</legend>
          {ALL.map((right) => (
            <Checkbox
              key={right}
              label={RIGHTS[right]}
              isOn={rights.includes(right)}
              onChange={(isOn) => setRights((before) => withOrWithout(before, right, isOn))}
            />
          ))}
        </fieldset>
      )}
    </Form>
  );
}

function BoundAgent({ id, onRemove }: { id: string; onRemove: () => void }) {
  const name = useAgentName(id);
  return (
    <Button onClick={onRemove} aria-label={`Remove ${name}`} title={`Remove ${name}`}>
      {name} ×
    </Button>
  );
}

interface CheckboxProps {
  label: string;
  isOn: boolean;
  onChange: (isOn: boolean) => void;
}

function Checkbox({ label, isOn, onChange }: CheckboxProps) {
  return (
    <label>
      <input type="checkbox" checked={isOn} onChange={(event) => onChange(event.target.checked)} />
      {label}
    </label>
  );
}

interface CreatedProps {
  apiKey: Schemas["ApiKeyCreated"];
  onClose: () => void;
}

function Created({ apiKey, onClose }: CreatedProps) {
  const [outcome, copy] = useCopy();
  return (
    <div className={styles.created}>
      <p>This is the key “{apiKey.name}”. Copy it now: it is not shown again.</p>
      <pre className={styles.secret}>
        <code>{apiKey.api_key}</code>
      </pre>
      <div className={styles.buttons}>
        <Button tone="primary" onClick={() => void copy(apiKey.api_key)}>
          {outcome ?? "Copy the key"}
        </Button>
        <Button onClick={onClose}>Done</Button>
      </div>
    </div>
  );
}

function withOrWithout<Item>(items: readonly Item[], item: Item, isIn: boolean): Item[] {
  const others = items.filter((other) => other !== item);
  return isIn ? [...others, item] : others;
}
