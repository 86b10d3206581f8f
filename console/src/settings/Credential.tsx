import { useQueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import type { Schemas } from "../api/client";
import { credential, forgetCredential, onCredentialChange } from "../api/credential";
import { Button } from "../parts/Button";
import { Time } from "../parts/Time";
import styles from "./Settings.module.css";

/** As whom this page asks, and what that allows. */
export function Credential({ deployment }: { deployment: Schemas["Deployment"] }) {
  const queries = useQueryClient();
  const key = useSyncExternalStore(onCredentialChange, credential);
  const { caller } = deployment;

  function forget() {
    forgetCredential();
    // What was read with the key is not to be seen without it.
    queries.clear();
  }

  return (
    <section className={styles.section}>
      <h2>Your access</h2>
      <p>{saidOf(caller)}</p>
      {caller.has_limits && (
        <p className={styles.quiet}>It may: {caller.rights.join(", ").replaceAll("_", " ")}.</p>
      )}
      {caller.expires_at != null && (
        <p className={styles.quiet}>
          It expires: <Time at={caller.expires_at} />
        </p>
      )}
      {key !== null && (
        <div>
          <Button onClick={forget}>Forget the key in this browser</Button>
        </div>
      )}
    </section>
  );
}

function saidOf({ kind, key, has_limits: hasLimits }: Schemas["CallerAccess"]): string {
  const limits = hasLimits ? "It has limits." : "It may do everything.";
  switch (kind) {
    case "anybody":
      return "The server needs no API key: whoever reaches it may do everything.";
    case "api_key":
      return key == null
        ? `This page uses an API key. ${limits}`
        : `This page uses the API key “${key.name}” that ends in ${key.last_four}. ${limits}`;
    case "access_token":
      return `This page uses an access token. ${limits}`;
  }
}
