import { type FormEvent, useState } from "react";
import { Button } from "../../parts/Button";
import { TextField } from "../../parts/form/TextField";
import { Failed } from "../../parts/State";
import { Time } from "../../parts/Time";
import styles from "../Capabilities.module.css";
import { useAuthorize } from "../queries";

/** Begins an authorization, of the application itself or of an end user of an agent. */
export function Authorize({ serverId }: { serverId: string }) {
  const [agent, setAgent] = useState("");
  const [endUser, setEndUser] = useState("");
  const authorize = useAuthorize(serverId);
  const consent = authorize.data;

  function begin(event: FormEvent) {
    event.preventDefault();
    authorize.mutate({
      ...(agent.trim() === "" ? {} : { agent_id: agent.trim() }),
      ...(endUser.trim() === "" ? {} : { end_user: endUser.trim() }),
    });
  }

  return (
    <details>
      <summary>Authorize now</summary>
      <form className={styles.authorize} onSubmit={begin}>
        <p className={styles.about}>
          Leave both empty to authorize the application itself, for all sessions without an end
          user.
        </p>
        <TextField
          label="Agent id"
          isMono
          value={agent}
          placeholder="agent_…"
          onChange={setAgent}
        />
        <TextField label="End user" value={endUser} onChange={setEndUser} />
        <Button type="submit" isBusy={authorize.isPending}>
          Get the consent link
        </Button>
      </form>
      {authorize.error !== null && <Failed error={authorize.error} />}
      {consent !== undefined && (
        <p>
          <a href={consent.authorization_url} target="_blank" rel="noreferrer">
            Consent at {new URL(consent.authorization_url).host}
          </a>
          . The link is for one person and works once, until <Time at={consent.expires_at} />.
        </p>
      )}
    </details>
  );
}
