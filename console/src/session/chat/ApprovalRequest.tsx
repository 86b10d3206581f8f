import { type KeyboardEvent, useId, useRef } from "react";
import { Button } from "../../parts/Button";
import { LongText } from "../../parts/LongText";
import { Failed } from "../../parts/State";
import { useSessionId } from "../followed";
import type { ToolCallItem } from "../log/callTypes";
import type { Wait } from "../log/wire";
import { useOnce } from "../once";
import { useDecide } from "../queries";
import styles from "./Request.module.css";
import { shownJson } from "./values";

type Choice = "allow" | "allow_always" | "reject";

/** A held call that somebody is to allow or reject, with exactly what it would do. */
export function ApprovalRequest({ item, wait }: { item: ToolCallItem; wait: Wait }) {
  const decide = useDecide(useSessionId());
  const reason = useRef<HTMLInputElement>(null);
  const id = useId();
  // The card goes when the decision is in the log; until then it must not be made twice.
  const { run, isBusy } = useOnce(decide);

  function choose(decision: Choice) {
    const given = reason.current?.value.trim() ?? "";
    run({
      tool_call_id: wait.tool_call_id,
      decision,
      ...(given === "" ? {} : { reason: given }),
    });
  }

  function onKeyDown(event: KeyboardEvent) {
    const isPlain = !(event.ctrlKey || event.metaKey || event.altKey);
    if (event.target !== event.currentTarget || !isPlain) return;
    if (event.key === "a") choose("allow");
    else if (event.key === "r") choose("reject");
    else return;
    event.preventDefault();
  }

  return (
    <section
      className={styles.request}
      aria-labelledby={`${id}-question`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: its keys work while it has the focus.
      tabIndex={0}
      onKeyDown={onKeyDown}
    >
      <h3 id={`${id}-question`}>
        May <code>{item.name}</code> run with these arguments?
      </h3>
      <LongText text={shownJson(wait.arguments ?? {})} />
      {wait.decided_by === "operator" && <p className={styles.hint}>An operator is to decide.</p>}
      <label htmlFor={`${id}-reason`}>Reason, which the model reads (optional)</label>
      <input id={`${id}-reason`} ref={reason} maxLength={2048} autoComplete="off" />
      {decide.error !== null && <Failed error={decide.error} />}
      <div className={styles.actions}>
        <Button tone="primary" isBusy={isBusy} onClick={() => choose("allow")}>
          Allow <kbd>a</kbd>
        </Button>
        <Button isBusy={isBusy} onClick={() => choose("reject")}>
          Reject <kbd>r</kbd>
        </Button>
        <Button tone="quiet" isBusy={isBusy} onClick={() => choose("allow_always")}>
          Allow all calls of {item.name} in this session
        </Button>
      </div>
    </section>
  );
}
