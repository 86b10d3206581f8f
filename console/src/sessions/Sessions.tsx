import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { AgentPicker } from "../parts/agents/AgentPicker";
import { Button } from "../parts/Button";
import { Curl } from "../parts/Curl";
import { Pages } from "../parts/Pages";
import { SearchField } from "../parts/SearchField";
import { State } from "../parts/State";
import { useTitle } from "../parts/title";
import {
  type Filters,
  filtersIn,
  isFiltered,
  PAGE_SIZE,
  PERIODS,
  pathOf,
  searchOf,
} from "./filters";
import { NewSession } from "./NewSession";
import { useSessions } from "./queries";
import styles from "./Sessions.module.css";
import { SessionTable } from "./SessionTable";
import { States } from "./States";

/** All sessions, the latest change first. */
export function Sessions() {
  useTitle("Sessions");
  const filters = filtersIn(useSearch({ from: "/sessions" }));
  const navigate = useNavigate({ from: "/sessions" });
  const list = useSessions(filters);
  const [isCreating, setCreating] = useState(false);

  function narrow(change: Partial<Record<keyof Filters, string>>) {
    const changed = { ...searchOf({ ...filters, page: 1 }), ...change };
    void navigate({ search: filled(changed), replace: "search" in change });
  }

  return (
    <>
      <header className={styles.head}>
        <h1>Sessions</h1>
        <Button tone="primary" onClick={() => setCreating(true)}>
          New session
        </Button>
      </header>
      <States filters={filters} />
      <search className={styles.filters}>
        <SearchField
          label="Search titles, beginnings and ids"
          className={styles.search}
          value={filters.search ?? ""}
          onSearch={(text) => narrow({ search: text })}
        />
        <AgentPicker
          label="Agent"
          placeholder="Any agent"
          value={filters.agent ?? null}
          onChange={(agent) => narrow({ agent: agent ?? "" })}
        />
        <select
          aria-label="Time of the last change"
          value={filters.since ?? ""}
          onChange={(event) => narrow({ since: event.target.value })}
        >
          <option value="">Any time</option>
          {PERIODS.map(({ since, name }) => (
            <option key={since} value={since}>
              {name}
            </option>
          ))}
        </select>
      </search>
      <State
        query={list}
        rows={12}
        isEmpty={({ data }) => data.length === 0}
        empty={<Nothing filters={filters} />}
      >
        {(page) => (
          <>
            <SessionTable sessions={page.data} />
            <Pages
              of="sessions"
              page={filters.page}
              length={PAGE_SIZE}
              shown={page.data.length}
              total={page.total}
              link={(number, rel, words) => (
                <Link to="/sessions" search={searchOf({ ...filters, page: number })} rel={rel}>
                  {words}
                </Link>
              )}
            />
          </>
        )}
      </State>
      {isCreating && (
        <NewSession agentId={filters.agent ?? null} onClose={() => setCreating(false)} />
      )}
    </>
  );
}

function Nothing({ filters }: { filters: Filters }) {
  if (filters.page > 1) {
    return (
      <p>
        This page is empty.{" "}
        <Link to="/sessions" search={searchOf({ ...filters, page: 1 })}>
          Go to the first page
        </Link>
      </p>
    );
  }
  if (isFiltered(filters)) {
    return (
      <>
        <p>
          No session matches. <Link to="/sessions">Show all sessions</Link>
        </p>
        <Curl path={pathOf(filters, new Date())} />
      </>
    );
  }
  return (
    <>
      <p>
        There are no sessions yet. A session is a conversation with an agent, with its own log and
        its own files.
      </p>
      <Curl method="POST" path="/v1/sessions" body={{ title: "First talk" }} />
    </>
  );
}

/** Leave out what has no value, so that the address does not name it. */
function filled(search: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(search).flatMap(([name, value]) => (value ? [[name, value]] : [])),
  );
}
