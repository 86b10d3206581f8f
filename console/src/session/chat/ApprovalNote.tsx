import { Time } from "../../parts/Time";
import type { Approval } from "../log/callTypes";
import styles from "./ToolCard.module.css";

/** What was decided about a held call, by whom and when. */
export function ApprovalNote({ approval }: { approval: Approval }) {
  const { state, decidedBy, decidedMs, reason, isForAlways } = approval;
  if (state === "requested") return null;
  if (state === "closed") {
    return <p className={styles.note}>Nobody decided before the call was closed.</p>;
  }
  const who = decidedBy?.name ?? (decidedBy?.kind === "end_user" ? "the end user" : "an operator");
  return (
    <p className={styles.note}>
      {state === "allowed" ? "Allowed" : "Rejected"}
      {isForAlways && ", now and for later calls,"} by {who}
      {decidedMs !== null && (
        <>
          , <Time at={new Date(decidedMs).toISOString()} />
        </>
      )}
      {reason !== null && <>: “{reason}”</>}
    </p>
  );
}
