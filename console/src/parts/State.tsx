import type { ReactNode } from "react";
import { asFailure } from "../api/failures";
import { type Asking, Awaited } from "./Awaited";
import { Button } from "./Button";
import styles from "./State.module.css";

interface StateProps<Data> {
  /** A query of TanStack Query. */
  query: Asking & {
    data: Data | undefined;
    error: Error | null;
    refetch: () => unknown;
  };
  /** What there is when nothing is: what it would be, one action, the curl line. */
  empty?: ReactNode;
  /** Whether an answer has nothing to show. */
  isEmpty?: (data: Data) => boolean;
  /** How many rows the answer will probably fill, so that nothing jumps when it comes. */
  rows?: number;
  children: (data: Data) => ReactNode;
}

/** The five states of whatever is read from the server: loading, empty, failed, stale, there. */
export function State<Data>({ query, empty, isEmpty, rows = 3, children }: StateProps<Data>) {
  const { data, error } = query;
  const trouble =
    error === null ? <Awaited query={query} /> : <Failed error={error} retry={query.refetch} />;
  if (data === undefined) {
    return (
      <>
        {trouble}
        {error === null && <Loading rows={rows} />}
      </>
    );
  }
  return (
    <>
      {trouble}
      {isEmpty?.(data) ? <Empty>{empty}</Empty> : children(data)}
    </>
  );
}

/** What stands where nothing is, usually with a way to begin. */
export function Empty({ children }: { children: ReactNode }) {
  return <div className={styles.empty}>{children}</div>;
}

/** Room for what is being read. It appears late, so that quick answers do not flicker. */
export function Loading({ rows }: { rows: number }) {
  return (
    <div className={styles.loading} role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the rows are all alike.
        <div key={row} className={styles.row} />
      ))}
    </div>
  );
}

/** What went wrong, in the server's words, and a way to try again. */
export function Failed({ error, retry }: { error: Error; retry?: () => unknown }) {
  const failure = asFailure(error);
  return (
    <div role="alert" className={styles.failed}>
      <p>
        <strong>{failure.code}</strong> {failure.message}
      </p>
      {retry !== undefined && <Button onClick={() => retry()}>Try again</Button>}
    </div>
  );
}
