import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import type { Schemas } from "../api/client";
import { Button } from "../parts/Button";
import { Confirm } from "../parts/Confirm";
import { Form } from "../parts/form/Form";
import { duration } from "../parts/formats";
import { Id } from "../parts/Id";
import { Failed } from "../parts/State";
import { Time } from "../parts/Time";
import { type Draft, draftOf, providerPatch } from "./draft";
import { Fields } from "./Fields";
import { kindOf } from "./kinds";
import { Models } from "./Models";
import styles from "./Providers.module.css";
import { providerProblems } from "./problems";
import { useChangedProvider, useDeletedProvider, useSync, useTest } from "./queries";

const route = getRouteApi("/providers");

/** One provider: whether it answers, what it is, and its models. */
export function Provider({ provider }: { provider: Schemas["Provider"] }) {
  const test = useTest(provider.id);
  const sync = useSync(provider.id);
  const standing = useChangedProvider(provider.id);
  const isDisabled = provider.status === "disabled";
  return (
    <section className={styles.detail}>
      <header className={styles.head}>
        <h2>{provider.name}</h2>
        <p className={styles.quiet}>
          {kindOf(provider.provider_type).label} · <Id id={provider.id} /> · changed{" "}
          <Time at={provider.updated_at} />
        </p>
      </header>
      <div className={styles.actions}>
        <Button isBusy={test.isPending} onClick={() => test.mutate(undefined)}>
          Test
        </Button>
        {provider.base_url != null && (
          <Button isBusy={sync.isPending} onClick={() => sync.mutate()}>
            Refresh models
          </Button>
        )}
        {!provider.is_default && !isDisabled && (
          <Button isBusy={standing.isPending} onClick={() => standing.mutate({ is_default: true })}>
            Make default
          </Button>
        )}
        <Button
          isBusy={standing.isPending}
          onClick={() => standing.mutate({ status: isDisabled ? "active" : "disabled" })}
        >
          {isDisabled ? "Enable" : "Disable"}
        </Button>
        <DeleteButton provider={provider} />
      </div>
      {standing.error !== null && <Failed error={standing.error} />}
      {test.error !== null && <Failed error={test.error} />}
      {test.data !== undefined && !test.isPending && <Tested result={test.data} />}
      {sync.error !== null && <Failed error={sync.error} />}
      {sync.data !== undefined && <p role="status">{sync.data.message}</p>}
      {provider.models_error != null && <p className={styles.warning}>{provider.models_error}</p>}
      <Models
        models={provider.models ?? []}
        onTest={(model) => test.mutate(model)}
        isTesting={test.isPending}
      />
      <EditProvider provider={provider} />
    </section>
  );
}

function Tested({ result }: { result: Schemas["ProviderTested"] }) {
  return (
    <p role="status" className={result.ok ? styles.worked : styles.failed}>
      {result.code != null && <strong>{result.code} </strong>}
      {result.message}
      <span className={styles.quiet}>
        {" "}
        {result.model != null && `${result.model}, `}
        {duration(result.duration_ms)}
      </span>
    </p>
  );
}

function EditProvider({ provider }: { provider: Schemas["Provider"] }) {
  const saving = useChangedProvider(provider.id);
  const [draft, setDraft] = useState<Draft>(() => draftOf(provider));
  const patch = providerPatch(provider, draft);
  return (
    <section className={styles.edit}>
      <h3>Access</h3>
      <Form
        action="Save changes"
        isDirty={Object.keys(patch).length > 0}
        isSaving={saving.isPending}
        error={saving.error}
        problems={providerProblems(saving.error)}
        // The secrets that were typed go away with the draft.
        onSave={() => saving.mutate(patch, { onSuccess: (saved) => setDraft(draftOf(saved)) })}
        onDiscard={() => setDraft(draftOf(provider))}
      >
        <Fields
          // Its fields remember that a secret was being replaced.
          key={provider.updated_at}
          draft={draft}
          onChange={(changes) => setDraft((before) => ({ ...before, ...changes }))}
          isKeySet={provider.api_key_set}
          headerNames={provider.headers ?? []}
        />
      </Form>
    </section>
  );
}

function DeleteButton({ provider }: { provider: Schemas["Provider"] }) {
  const navigate = route.useNavigate();
  const deleting = useDeletedProvider(provider.id);
  const [isAsking, setAsking] = useState(false);
  return (
    <>
      <Button tone="danger" onClick={() => setAsking(true)}>
        Delete
      </Button>
      <Confirm
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        title={`Delete the provider ${provider.name}?`}
        action="Delete provider"
        isBusy={deleting.isPending}
        error={deleting.error}
        onConfirm={() =>
          deleting.mutate(undefined, {
            onSuccess: () => navigate({ search: {}, ignoreBlocker: true }),
          })
        }
      >
        Its key and models are deleted. Agents and sessions that use one of these models fail with
        NO_MODEL until they use another one.
        {provider.is_default && " It is the default; afterwards there is none."}
      </Confirm>
    </>
  );
}
