import { useId, useRef } from "react";
import { Button } from "../../parts/Button";
import { newIdempotencyKey } from "../../parts/idempotency";
import { Failed } from "../../parts/State";
import { useSessionId } from "../followed";
import { ModelOptions } from "../ModelOptions";
import { useRetry } from "../queries";
import styles from "./Outcome.module.css";

/** Starts the last turn again, with the same model or another one. */
export function Retry() {
  const retry = useRetry(useSessionId());
  const model = useRef<HTMLSelectElement>(null);
  const request = useRef<{ model: string; key: string } | null>(null);
  const id = useId();

  function start() {
    const chosen = model.current?.value ?? "";
    // Whoever presses again after a lost connection means the same retry.
    if (request.current?.model !== chosen) {
      request.current = { model: chosen, key: newIdempotencyKey() };
    }
    const controls = chosen === "" ? null : { model_id: chosen };
    retry.mutate({ controls, key: request.current.key });
  }

  return (
    <>
      <div className={styles.retry}>
        <Button isBusy={retry.isPending} onClick={start}>
          Retry
        </Button>
        <label htmlFor={id}>with</label>
        <select id={id} ref={model} defaultValue="">
          <option value="">the same model</option>
          <ModelOptions />
        </select>
      </div>
      {retry.error !== null && <Failed error={retry.error} />}
    </>
  );
}
