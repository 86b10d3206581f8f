import { Button } from "../parts/Button";
import { Field } from "../parts/form/Field";
import { HeadersField } from "../parts/form/HeadersField";
import { JsonField } from "../parts/form/JsonField";
import { SecretField } from "../parts/form/SecretField";
import { TextField } from "../parts/form/TextField";
import type { Draft } from "./draft";
import { kindOf } from "./kinds";
import styles from "./Providers.module.css";

interface FieldsProps {
  draft: Draft;
  onChange: (changes: Partial<Draft>) => void;
  /** Whether the server has a key; it is never shown. */
  isKeySet: boolean;
  /** The names of the headers that the server has; their values are never shown. */
  headerNames: readonly string[];
}

/** The fields that a new provider and an existing one have. */
export function Fields({ draft, onChange, isKeySet, headerNames }: FieldsProps) {
  const kind = kindOf(draft.type);
  return (
    <>
      <TextField
        label="Name"
        name="name"
        isRequired
        hint="Models are addressed by it, as in work/gpt-5-mini."
        value={draft.name}
        onChange={(name) => onChange({ name })}
      />
      {kind.address !== undefined && (
        <TextField
          label="Base URL"
          name="base_url"
          type="url"
          isMono
          isRequired={kind.needsAddress}
          placeholder={kind.address}
          hint="The prefix of every path. A new one needs the key and the headers again."
          value={draft.baseUrl}
          onChange={(baseUrl) => onChange({ baseUrl })}
        />
      )}
      {kind.takesKey && (
        <SecretField
          label="API key"
          name="api_key"
          hint="It is encrypted, and never shown again."
          isSet={isKeySet}
          value={draft.apiKey}
          onChange={(apiKey) => onChange({ apiKey })}
        />
      )}
      {kind.address !== undefined && (
        <Headers draft={draft} onChange={onChange} names={headerNames} />
      )}
      <JsonField
        label="Settings"
        name="settings"
        kind="object"
        hint="A JSON object that depends on the type. Everybody who can read the provider sees it."
        placeholder='{"dialect": "vllm"}'
        value={draft.settings}
        onChange={(settings) => onChange({ settings })}
      />
    </>
  );
}

interface HeadersProps {
  draft: Draft;
  onChange: (changes: Partial<Draft>) => void;
  names: readonly string[];
}

function Headers({ draft, onChange, names }: HeadersProps) {
  const { headers } = draft;
  if (names.length > 0 && (headers === undefined || headers === null)) {
    return (
      <Field label="Headers" name="headers">
        {(control) => (
          <span className={styles.secret}>
            <span id={control.id}>
              {headers === null ? "will be removed" : `set: ${names.join(", ")}`}
            </span>
            {headers === null ? (
              <Button onClick={() => onChange({ headers: undefined })}>Keep them</Button>
            ) : (
              <>
                <Button
                  onClick={() => onChange({ headers: names.map((name) => ({ name, value: "" })) })}
                >
                  Replace
                </Button>
                <Button onClick={() => onChange({ headers: null })}>Remove</Button>
              </>
            )}
          </span>
        )}
      </Field>
    );
  }
  return (
    <HeadersField
      label="Headers"
      name="headers"
      hint="They go with every request to the provider, and are never shown again."
      headers={headers ?? []}
      onChange={(changed) =>
        onChange({ headers: changed.length === 0 && names.length === 0 ? undefined : changed })
      }
    />
  );
}
