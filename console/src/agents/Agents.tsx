import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { pageNumber } from "../api/pages";
import { Button } from "../parts/Button";
import { Curl } from "../parts/Curl";
import { Pages } from "../parts/Pages";
import { SearchField } from "../parts/SearchField";
import { State } from "../parts/State";
import { useTitle } from "../parts/title";
import styles from "./Agents.module.css";
import { AgentsTable } from "./AgentsTable";
import { ImportAgent } from "./ImportAgent";
import { PAGE_LENGTH, useAgents } from "./queries";

const route = getRouteApi("/agents");
const EXAMPLE = { name: "assistant", system_prompt: "You are a careful assistant." };

/** All active agents. */
export function Agents() {
  useTitle("Agents");
  const { search, page } = route.useSearch();
  const navigate = useNavigate({ from: "/agents" });
  const [isImporting, setImporting] = useState(false);
  const number = pageNumber(page);
  const kept = search === undefined ? {} : { search };
  const agents = useAgents(search, number);

  return (
    <>
      <header className={styles.header}>
        <h1>Agents</h1>
        <SearchField
          label="Search agents"
          className={styles.search}
          value={search ?? ""}
          onSearch={(text) =>
            navigate({ search: text === "" ? {} : { search: text }, replace: true })
          }
        />
        <Button onClick={() => setImporting(true)}>Import an agent</Button>
        <Link to="/agents/new" className={styles.new}>
          New agent
        </Link>
      </header>
      <State
        query={agents}
        rows={8}
        isEmpty={(list) => list.data.length === 0}
        empty={
          number > 1 ? (
            <p>
              This page is empty.{" "}
              <Link to="/agents" search={kept}>
                Go to the first page
              </Link>
            </p>
          ) : search === undefined ? (
            <>
              <p>
                An agent is a prompt with a model, capabilities and tools. Sessions are
                conversations with it. There are no agents yet.
              </p>
              <Link to="/agents/new">Create the first agent</Link>
              <Curl method="POST" path="/v1/agents" body={EXAMPLE} />
            </>
          ) : (
            <p>No agent matches “{search}”.</p>
          )
        }
      >
        {(list) => (
          <>
            <AgentsTable agents={list.data} />
            <Pages
              of="agents"
              page={number}
              length={PAGE_LENGTH}
              shown={list.data.length}
              total={list.total}
              link={(other, rel, words) => (
                <Link to="/agents" search={{ ...kept, page: String(other) }} rel={rel}>
                  {words}
                </Link>
              )}
            />
          </>
        )}
      </State>
      <ImportAgent isOpen={isImporting} onClose={() => setImporting(false)} />
    </>
  );
}
