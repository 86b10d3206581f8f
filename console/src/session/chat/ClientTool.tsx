import { type FormEvent, useId, useRef } from "react";
import { Button } from "../../parts/Button";
import { LongText } from "../../parts/LongText";
import { Failed } from "../../parts/State";
import { useSessionId } from "../followed";
import type { ToolCallItem } from "../log/callTypes";
import type { Wait } from "../log/wire";
import { useOnce } from "../once";
import { useGiveResult } from "../queries";
import styles from "./Request.module.css";
import { shownJson, valueIn } from "./values";

/** A call that a client is to run; whoever looks can answer in its place. */
export function ClientTool({ item, wait }: { item: ToolCallItem; wait: Wait }) {
  const give = useGiveResult(useSessionId());
  const field = useRef<HTMLTextAreaElement>(null);
  const id = useId();
  const { run, isBusy } = useOnce(give);

  function send(event: FormEvent) {
    event.preventDefault();
    run({ tool_call_id: wait.tool_call_id, result: valueIn(given()) });
  }

  function sendError() {
    const words = given();
    run({ tool_call_id: wait.tool_call_id, error: words === "" ? "It failed." : words });
  }

  function given(): string {
    return field.current?.value.trim() ?? "";
  }

  return (
    <form className={styles.request} onSubmit={send} aria-label={`Result of ${item.name}`}>
      <h3>
        A client is to run <code>{item.name}</code>. You can answer in its place.
      </h3>
      <LongText text={shownJson(wait.arguments ?? {})} />
      <label htmlFor={id}>Result as JSON or text, or an error message</label>
      <textarea id={id} ref={field} rows={3} spellCheck={false} />
      {give.error !== null && <Failed error={give.error} />}
      <div className={styles.actions}>
        <Button type="submit" tone="primary" isBusy={isBusy}>
          Send as the result
        </Button>
        <Button isBusy={isBusy} onClick={sendError}>
          Send as an error
        </Button>
      </div>
    </form>
  );
}
