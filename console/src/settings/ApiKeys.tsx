import { useState } from "react";
import type { Schemas } from "../api/client";
import { useAgentNames } from "../parts/agents/queries";
import { Button } from "../parts/Button";
import { Confirm } from "../parts/Confirm";
import { Curl } from "../parts/Curl";
import { State } from "../parts/State";
import { Table } from "../parts/Table";
import { ACTIONS, TableHead } from "../parts/TableHead";
import { Time } from "../parts/Time";
import { NewApiKey } from "./NewApiKey";
import { useApiKeys, useRevokedApiKey } from "./queries";
import styles from "./Settings.module.css";

/** Who else may use the server: programs and people with API keys. */
export function ApiKeys({ auth }: { auth: Schemas["Deployment"]["auth"] }) {
  const keys = useApiKeys();
  const [isAdding, setAdding] = useState(false);
  const [revoked, setRevoked] = useState<Schemas["ApiKeyShown"]>();
  return (
    <section className={styles.section}>
      <header className={styles.head}>
        <h2>API keys</h2>
        <Button onClick={() => setAdding(true)}>New API key</Button>
      </header>
      {auth === "none" && (
        <p className={styles.quiet}>
          The server does not ask for them yet: its setting <code>auth</code> is <code>none</code>.
        </p>
      )}
      <State
        query={keys}
        rows={2}
        isEmpty={(list) => list.length === 0}
        empty={
          <>
            <p>There are no API keys yet. A key without limits may do everything.</p>
            <Curl method="POST" path="/v1/api-keys" body={{ name: "reports" }} />
          </>
        }
      >
        {(list) => (
          <Table label="API keys">
            <TableHead columns={["Name", "Ends in", "May", "Created", ACTIONS]} />
            <tbody>
              {list.map((key) => (
                <tr key={key.id}>
                  <th scope="row">{key.name}</th>
                  <td>
                    <code>{key.last_four}</code>
                  </td>
                  <td>
                    <Limits apiKey={key} />
                  </td>
                  <td>
                    <Time at={key.created_at} />
                  </td>
                  <td>
                    <Button tone="quiet" onClick={() => setRevoked(key)}>
                      Revoke
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </Table>
        )}
      </State>
      {isAdding && <NewApiKey onClose={() => setAdding(false)} />}
      {revoked !== undefined && (
        <Revocation apiKey={revoked} onClose={() => setRevoked(undefined)} />
      )}
    </section>
  );
}

function Limits({ apiKey }: { apiKey: Schemas["ApiKeyShown"] }) {
  const known = useAgentNames(apiKey.agent_ids);
  if (apiKey.agent_ids.length === 0) return "do everything";
  const names = apiKey.agent_ids.map((id) => known.get(id) ?? id);
  return (
    <>
      {apiKey.rights.join(", ").replaceAll("_", " ")}{" "}
      <span className={styles.quiet}>with {names.join(", ")}</span>
    </>
  );
}

interface RevocationProps {
  apiKey: Schemas["ApiKeyShown"];
  onClose: () => void;
}

function Revocation({ apiKey, onClose }: RevocationProps) {
  const revoking = useRevokedApiKey();
  return (
    <Confirm
      isOpen
      onClose={onClose}
      title={`Revoke the API key ${apiKey.name}?`}
      action="Revoke API key"
      isBusy={revoking.isPending}
      error={revoking.error}
      onConfirm={() => revoking.mutate(apiKey.id, { onSuccess: onClose })}
    >
      Within a second it and the access tokens that it made are refused, and their streams end.
    </Confirm>
  );
}
