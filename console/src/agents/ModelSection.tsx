import { useModels } from "../api/catalogue";
import { Section } from "../parts/form/Section";
import { SelectField } from "../parts/form/SelectField";
import { SchemaForm } from "../parts/form/schema/SchemaForm";
import { modelNamed } from "../parts/models";
import { Failed } from "../parts/State";
import type { Controls } from "./draft";
import { factsOf, modelGroups } from "./models";
import type { SectionOf } from "./section";
import { CONTROLS } from "./shapes";

const DEFAULT = "default";

/** Which model answers, and with which options. */
export function ModelSection({ draft, change }: SectionOf) {
  const models = useModels();
  const all = models.data ?? [];
  const named = draft.default_model_id;
  const chosen = modelNamed(named, all);
  // While the list is not there, nothing can be said about the model.
  const isOffered = named === undefined || chosen !== undefined || models.data === undefined;
  const facts = chosen === undefined ? undefined : factsOf(chosen);
  const set = Object.keys(draft.controls).length;
  return (
    <>
      <Section title="Model">
        {models.error !== null && <Failed error={models.error} retry={models.refetch} />}
        <SelectField
          label="Default model"
          name="default_model_id"
          hint={isOffered ? facts : `No active provider offers ${named}.`}
          value={named ?? DEFAULT}
          options={[
            { value: DEFAULT, label: "The default provider's first model" },
            ...(isOffered ? [] : [{ value: named, label: named, detail: "not offered" }]),
          ]}
          groups={modelGroups(all, named)}
          onChange={(id) => change("default_model_id", id === DEFAULT ? undefined : id)}
        />
      </Section>
      <Section
        title="Options for answers"
        summary={set === 0 ? "defaults" : `${set} set`}
        startsOpen={set > 0}
        about="What is set here goes with every answer, unless a session or message sets it too."
      >
        <SchemaForm
          shape={CONTROLS}
          value={{ ...draft.controls }}
          onChange={(controls: Controls) => change("controls", controls)}
          path="controls"
        />
      </Section>
    </>
  );
}
