import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { Button } from "../parts/Button";
import { Form } from "../parts/form/Form";
import { ListField } from "../parts/form/ListField";
import { SelectField } from "../parts/form/SelectField";
import { Toggle } from "../parts/form/Toggle";
import { isSame } from "../parts/json";
import { type Draft, emptyDraft, providerInput } from "./draft";
import { Fields } from "./Fields";
import { KINDS, kindOf } from "./kinds";
import styles from "./Providers.module.css";
import { providerProblems } from "./problems";
import { useNewProvider } from "./queries";

const route = getRouteApi("/providers");
const TYPES = KINDS.map(({ type, label }) => ({ value: type, label }));

/** Asks what is needed to add a provider. */
export function AddProvider({ type }: { type: string }) {
  const navigate = route.useNavigate();
  const creating = useNewProvider();
  const kind = kindOf(type);
  const [draft, setDraft] = useState<Draft>(() => emptyDraft(kind.type));
  const change = (changes: Partial<Draft>) => setDraft((before) => ({ ...before, ...changes }));

  function create() {
    creating.mutate(providerInput(draft), {
      onSuccess: (provider) => {
        setDraft(emptyDraft(kind.type));
        navigate({ search: { provider: provider.id }, ignoreBlocker: true });
      },
    });
  }

  return (
    <section className={`${styles.detail} ${styles.add}`}>
      <h2>Add a provider</h2>
      <Form
        action="Add provider"
        isDirty={!isSame(draft, emptyDraft(kind.type))}
        isSaving={creating.isPending}
        error={creating.error}
        problems={providerProblems(creating.error)}
        onSave={create}
        aside={<Button onClick={() => navigate({ search: {} })}>Cancel</Button>}
      >
        <SelectField
          label="Type"
          name="provider_type"
          hint={kind.about}
          options={TYPES}
          value={kind.type}
          onChange={(next) =>
            navigate({ search: { add: next }, replace: true, ignoreBlocker: true })
          }
        />
        <Fields draft={draft} onChange={change} isKeySet={false} headerNames={[]} />
        {kind.models !== "" && (
          <ListField
            label="Models"
            name="models"
            hint="If empty, those of the catalogue, or those that the server itself lists. The first is the provider's default."
            placeholder={kind.models}
            values={draft.models}
            onChange={(models) => change({ models })}
          />
        )}
        <Toggle
          label="Use as the default provider"
          hint="Its first model answers where none is named. The first provider is the default in any case."
          name="is_default"
          isOn={draft.isDefault}
          onChange={(isDefault) => change({ isDefault })}
        />
      </Form>
    </section>
  );
}
