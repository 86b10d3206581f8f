import { getRouteApi } from "@tanstack/react-router";
import { type KeyboardEvent, useRef, useState } from "react";
import type { Schemas } from "../api/client";
import { Button } from "../parts/Button";
import { Curl } from "../parts/Curl";
import { useDeployment } from "../parts/deployment";
import { duration, exact } from "../parts/formats";
import { Head } from "../parts/Head";
import { withCommand } from "../parts/platform";
import { Failed } from "../parts/State";
import { EXAMPLES } from "./examples";
import { useRows, useRowsFile } from "./queries";
import { Rows } from "./Rows";
import styles from "./Sql.module.css";
import { Views } from "./Views";

const route = getRouteApi("/sql");
const FIRST = EXAMPLES[0]?.query ?? "";

/** Queries over everything that was stored. */
export function Sql() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const editor = useRef<HTMLTextAreaElement>(null);
  const [query, setQuery] = useState(search.query ?? FIRST);
  const rows = useRows();
  const file = useRowsFile();

  // The address fills the editor and runs nothing: a link is somebody else's, and the key is the
  // user's.
  const [addressed, setAddressed] = useState(search.query);
  if (search.query !== addressed) {
    setAddressed(search.query);
    setQuery(search.query ?? FIRST);
  }

  function run(text: string) {
    if (text.trim() === "") return;
    setQuery(text);
    rows.mutate(text);
    navigate({ search: { query: text } });
  }

  function pick(name: string) {
    const field = editor.current;
    if (field === null) return;
    field.focus();
    field.setRangeText(name, field.selectionStart, field.selectionEnd, "end");
    setQuery(field.value);
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    run(query);
  }

  const deployment = useDeployment();
  if (deployment.data?.sql === false) return <SqlOff />;
  return (
    <>
      <Head title="SQL" />
      <div className={styles.columns}>
        <div className={styles.work}>
          <textarea
            ref={editor}
            aria-label="Query"
            className={styles.editor}
            rows={8}
            spellCheck={false}
            value={query}
            onChange={(event) => setQuery(event.target.value)}
            onKeyDown={onKeyDown}
          />
          <div className={styles.actions}>
            <Button tone="primary" isBusy={rows.isPending} onClick={() => run(query)}>
              Run <kbd>{withCommand("↵")}</kbd>
            </Button>
            <Button isBusy={file.isPending} onClick={() => file.mutate({ query, format: "csv" })}>
              Save as CSV
            </Button>
            <Button
              isBusy={file.isPending}
              onClick={() => file.mutate({ query, format: "parquet" })}
            >
              Save as Parquet
            </Button>
            <span role="status" className={styles.status}>
              {rows.data !== undefined && said(rows.data)}
            </span>
          </div>
          {rows.error !== null && <Failed error={rows.error} />}
          {file.error !== null && <Failed error={file.error} />}
          {rows.data !== undefined && rows.error === null && <Rows answer={rows.data} />}
          <Curl method="POST" path="/v1/sql" body={{ query }} />
        </div>
        <aside className={styles.aside}>
          <section>
            <h2>Examples</h2>
            <ul>
              {EXAMPLES.map((example) => (
                <li key={example.question}>
                  <button
                    type="button"
                    className={styles.example}
                    onClick={() => run(example.query)}
                  >
                    {example.question}
                  </button>
                </li>
              ))}
            </ul>
          </section>
          <Views onPick={pick} />
        </aside>
      </div>
    </>
  );
}

function SqlOff() {
  return (
    <>
      <Head title="SQL" />
      <p className={styles.off}>
        SQL is off here. It needs an API key without limits, and a server whose setting{" "}
        <code>auth</code> is <code>api_keys</code>, or one that only its own machine reaches,
        without a proxy.
      </p>
    </>
  );
}

function said({ rows, truncated, duration_ms: took }: Schemas["SqlRows"]): string {
  const count = rows.length === 1 ? "1 row" : `${exact(rows.length)} rows`;
  return `${count} in ${duration(took)}${truncated ? "; there are more" : ""}`;
}
