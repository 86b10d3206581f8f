import { useState } from "react";
import { Form } from "../../parts/form/Form";
import { Section } from "../../parts/form/Section";
import { TextField } from "../../parts/form/TextField";
import { Toggle } from "../../parts/form/Toggle";
import { ServerFields } from "../../parts/ServerFields";
import { AuthFields } from "./AuthFields";
import { changesOf, type ServerDraft } from "./draft";

interface ServerFormProps {
  saved: ServerDraft;
  isNew: boolean;
  onSave: (draft: ServerDraft, onSaved: () => void) => void;
  isSaving: boolean;
  error: Error | null;
}

/** The form of an MCP server of the catalogue. */
export function ServerForm({ saved, isNew, onSave, isSaving, error }: ServerFormProps) {
  const [edits, setEdits] = useState<Partial<ServerDraft>>({});
  const draft: ServerDraft = { ...saved, ...edits };
  const isDirty = Object.keys(changesOf(saved, draft)).length > 0;

  function change(next: Partial<ServerDraft>) {
    setEdits((before) => ({ ...before, ...next }));
  }

  return (
    <Form
      action={isNew ? "Add server" : "Save changes"}
      isDirty={isDirty}
      isSaving={isSaving}
      error={error}
      onSave={() => onSave(draft, () => setEdits({}))}
      onDiscard={isNew ? undefined : () => setEdits({})}
    >
      <Section title={isNew ? "Server" : "Settings"}>
        <TextField
          label="Name"
          name="name"
          isRequired
          isMono
          hint={`Agents have it as the capability mcp:${draft.name || "name"}.`}
          value={draft.name}
          placeholder="tickets"
          onChange={(name) => change({ name })}
        />
        <ServerFields server={draft} path="" onChange={change} />
        <TextField
          label="Description"
          name="description"
          value={draft.description}
          onChange={(description) => change({ description })}
        />
        <Toggle
          label="Agents can use it"
          name="status"
          isOn={draft.status === "active"}
          onChange={(isOn) => change({ status: isOn ? "active" : "disabled" })}
        />
        <AuthFields auth={draft.auth} onChange={(auth) => change({ auth })} />
      </Section>
    </Form>
  );
}
