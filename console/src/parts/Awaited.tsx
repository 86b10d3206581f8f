import { useEffect, useState } from "react";
import { asFailure, UNREACHABLE } from "../api/failures";
import { pauseMs } from "../api/queryClient";
import { useNow } from "./now";
import styles from "./State.module.css";

// Nobody needs to know of a server that answers again within a second.
const PATIENCE_MS = 1000;

/** What TanStack Query knows of a request that is made again and again. */
export interface Asking {
  failureCount: number;
  failureReason: Error | null;
}

/** Says that the server does not answer yet, why, and when it is asked again. */
export function Awaited({ query: { failureCount, failureReason } }: { query: Asking }) {
  if (failureReason === null) return null;
  return <Delayed failures={failureCount} error={failureReason} />;
}

function Delayed({ failures, error }: { failures: number; error: Error }) {
  const [since] = useState(Date.now);
  const [askedAt, setAskedAt] = useState(since);
  const now = useNow(PATIENCE_MS / 4).getTime();
  useEffect(() => setAskedAt(Date.now() + pauseMs(failures, error)), [failures, error]);
  if (now - since < PATIENCE_MS) return null;
  const { code, message } = asFailure(error);
  const seconds = Math.ceil((askedAt - now) / 1000);
  return (
    <p role="status" className={styles.awaited}>
      <strong>{code === UNREACHABLE ? "No answer" : "Busy or starting"}</strong> {message}{" "}
      {/* A screen reader would announce it every second. */}
      <span aria-hidden>
        {seconds > 0 ? `Asked again in ${seconds} s.` : "It is being asked again."}
      </span>
    </p>
  );
}
