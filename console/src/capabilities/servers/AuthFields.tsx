import { KEPT } from "../../parts/form/HeadersField";
import { ListField } from "../../parts/form/ListField";
import { SecretField } from "../../parts/form/SecretField";
import { SelectField } from "../../parts/form/SelectField";
import { TextField } from "../../parts/form/TextField";
import { Toggle } from "../../parts/form/Toggle";
import type { Auth } from "./draft";

interface AuthFieldsProps {
  /** Null if the server wants no OAuth. */
  auth: Auth | null;
  onChange: (auth: Auth | null) => void;
}

/** How a server wants to be authorized. */
export function AuthFields({ auth, onChange }: AuthFieldsProps) {
  return (
    <>
      <Toggle
        label="The server requires OAuth"
        name="auth"
        isOn={auth !== null}
        onChange={(isOn) => onChange(isOn ? { type: "oauth", acts_as: "user" } : null)}
      />
      {auth !== null && <OAuth auth={auth} onChange={onChange} />}
    </>
  );
}

function OAuth({ auth, onChange }: { auth: Auth; onChange: (auth: Auth) => void }) {
  const secret = auth.client_secret ?? undefined;
  return (
    <>
      <SelectField
        label="Agents act as"
        name="auth.acts_as"
        value={auth.acts_as ?? "user"}
        options={[
          { value: "user", label: "The session's end user, who consents" },
          { value: "service", label: "The client below, without anybody's consent" },
        ]}
        onChange={(acts_as) => onChange({ ...auth, acts_as })}
      />
      <ListField
        label="Scopes"
        name="auth.scopes"
        hint="Scopes to request; by default those that the server names."
        values={auth.scopes ?? []}
        onChange={(scopes) => onChange({ ...auth, scopes: scopes.length === 0 ? null : scopes })}
      />
      <TextField
        label="Client id"
        name="auth.client_id"
        hint="A client that the authorization server knows already; otherwise one is registered."
        isMono
        value={auth.client_id ?? ""}
        onChange={(id) => onChange({ ...auth, client_id: id === "" ? null : id })}
      />
      <SecretField
        label="Client secret"
        name="auth.client_secret"
        isSet={secret === KEPT}
        value={secret === KEPT ? undefined : secret}
        onChange={(next) => onChange({ ...auth, client_secret: next ?? null })}
      />
      <TextField
        label="Issuer"
        name="auth.issuer"
        hint="The only authorization server that may be used. The secret is sent to it alone."
        type="url"
        isMono
        value={auth.issuer ?? ""}
        onChange={(issuer) => onChange({ ...auth, issuer: issuer === "" ? null : issuer })}
      />
    </>
  );
}
