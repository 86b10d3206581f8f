import { type FormEvent, useId, useRef, useState } from "react";
import { asFailure } from "../api/failures";
import { Button } from "../parts/Button";
import { Failed } from "../parts/State";
import styles from "./AskForKey.module.css";
import { useNewKey } from "./newKey";

/** A form for an API key. It is kept only if the server admits it. */
export function AskForKey({ wasRefused }: { wasRefused: boolean }) {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [remembers, setRemembers] = useState(false);
  const trial = useNewKey(remembers);
  const isRefused = trial.error === null ? wasRefused : asFailure(trial.error).status === 401;

  function tryOut(event: FormEvent) {
    event.preventDefault();
    const key = field.current?.value.trim();
    if (key === undefined || key === "" || trial.isPending) return;
    // An input that goes away would leave its value to be found in the document.
    if (field.current !== null) field.current.value = "";
    trial.mutate(key);
  }

  return (
    <form className={styles.form} onSubmit={tryOut}>
      <p>
        This server requires an API key. Create one on its machine:{" "}
        <code>everruns keys create console</code>
      </p>
      {isRefused && (
        <p role="alert" className={styles.refused}>
          The server refused the key. It may have been revoked, or mistyped.
        </p>
      )}
      {trial.error !== null && !isRefused && <Failed error={trial.error} />}
      <label htmlFor={id}>API key</label>
      <input id={id} ref={field} type="password" autoComplete="off" spellCheck={false} required />
      <label className={styles.remember}>
        <input
          type="checkbox"
          checked={remembers}
          onChange={(event) => setRemembers(event.target.checked)}
        />
        Remember it in this browser, not only in this tab
      </label>
      <Button type="submit" tone="primary" isBusy={trial.isPending}>
        Continue
      </Button>
    </form>
  );
}
