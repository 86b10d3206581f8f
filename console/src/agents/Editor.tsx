import { useState } from "react";
import type { Schemas } from "../api/client";
import { Form } from "../parts/form/Form";
import { ListField } from "../parts/form/ListField";
import { Pair } from "../parts/form/Pair";
import { Section } from "../parts/form/Section";
import { TextAreaField, TextField } from "../parts/form/TextField";
import { CapabilitiesSection } from "./CapabilitiesSection";
import { changesOf, type Draft } from "./draft";
import { FilesSection } from "./FilesSection";
import { LimitsSection } from "./LimitsSection";
import { ModelSection } from "./ModelSection";
import { agentProblems } from "./problems";
import { ServersSection } from "./ServersSection";
import type { SectionOf } from "./section";
import { ToolsSection } from "./ToolsSection";

/** What is to be saved. */
export interface Edited {
  draft: Draft;
  /** What is different from what is saved; perhaps nothing. */
  changes: Schemas["AgentPatch"];
  /** Whether the agent is to be tried then. */
  tries: boolean;
  /** To be called when it is saved. */
  onSaved: () => void;
}

interface EditorProps {
  /** What is saved. */
  saved: Draft;
  /** Whether the agent is yet to be created. */
  isNew: boolean;
  onSave: (edited: Edited) => void;
  isSaving: boolean;
  error: Error | null;
}

/** The form of an agent. */
export function Editor({ saved, isNew, onSave, isSaving, error }: EditorProps) {
  // Only what was edited is kept, so that the rest shows what somebody else saves meanwhile.
  const [edits, setEdits] = useState<Partial<Draft>>({});
  const draft: Draft = { ...saved, ...edits };
  const changes = changesOf(saved, draft);
  const isDirty = Object.keys(changes).length > 0;

  function change<Field extends keyof Draft>(field: Field, value: Draft[Field]) {
    setEdits((before) => ({ ...before, [field]: value }));
  }

  function save(tries: boolean) {
    // What is edited while this is on its way is still to be saved.
    const onSaved = () => setEdits((now) => withoutSaved(now, edits));
    onSave({ draft, changes, tries, onSaved });
  }

  const section: SectionOf = { draft, change };
  return (
    <Form
      action={isNew ? "Create agent" : "Save changes"}
      isDirty={isDirty}
      isSaving={isSaving}
      error={error}
      problems={agentProblems(error)}
      onSave={() => save(false)}
      also={isNew ? undefined : { action: "Save and try", onSave: () => save(true) }}
      onDiscard={isNew ? undefined : () => setEdits({})}
    >
      <Identity {...section} />
      <TextAreaField
        label="System prompt"
        name="system_prompt"
        value={draft.system_prompt}
        onChange={(prompt) => change("system_prompt", prompt)}
        placeholder="You are a careful assistant."
        lines={8}
        isMono
        counts
      />
      <ModelSection {...section} />
      <CapabilitiesSection {...section} />
      <ToolsSection {...section} />
      <ServersSection {...section} />
      <LimitsSection {...section} />
      <FilesSection {...section} />
    </Form>
  );
}

function Identity({ draft, change }: SectionOf) {
  return (
    <Section title="Agent">
      <Pair>
        <TextField
          label="Name"
          name="name"
          isRequired
          value={draft.name}
          onChange={(name) => change("name", name)}
          placeholder="research-assistant"
        />
        <TextField
          label="Display name"
          name="display_name"
          hint="What people see instead of the name."
          value={draft.display_name}
          onChange={(name) => change("display_name", name)}
        />
      </Pair>
      <TextAreaField
        label="Description"
        name="description"
        value={draft.description}
        onChange={(description) => change("description", description)}
        lines={2}
      />
      <ListField
        label="Tags"
        name="tags"
        values={draft.tags}
        onChange={(tags) => change("tags", tags)}
      />
    </Section>
  );
}

function withoutSaved(now: Partial<Draft>, sent: Partial<Draft>): Partial<Draft> {
  const saved = new Map(Object.entries(sent));
  return Object.fromEntries(
    Object.entries(now).filter(([name, value]) => saved.get(name) !== value),
  );
}
