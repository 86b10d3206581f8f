import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useRef } from "react";
import type { Schemas } from "../api/client";
import { agentName } from "../api/displayNames";
import { Id } from "../parts/Id";
import { State } from "../parts/State";
import { Time } from "../parts/Time";
import { useTitle } from "../parts/title";
import styles from "./Agent.module.css";
import { AgentActions } from "./AgentActions";
import { AgentSessions } from "./AgentSessions";
import { Budgets } from "./Budgets";
import { draftOf } from "./draft";
import { type Edited, Editor } from "./Editor";
import { useAgent, useChangeAgent, useStartSession } from "./queries";
import { Spend } from "./Spend";
import { Try } from "./Try";

const route = getRouteApi("/agents/$agentId");

/** One agent: what it is, and what it has done. */
export function Agent() {
  const { agentId } = route.useParams();
  const agent = useAgent(agentId);
  useTitle(agent.data === undefined ? "Agent" : agentName(agent.data));
  return (
    <div className={styles.page}>
      {agent.data === undefined && <h1>Agent</h1>}
      <State query={agent} rows={12}>
        {(data) => <Loaded key={agentId} agent={data} />}
      </State>
    </div>
  );
}

function Loaded({ agent }: { agent: Schemas["Agent"] }) {
  const { try: tried } = route.useSearch();
  const change = useChangeAgent(agent.id);
  const start = useStartSession(agent.id);
  const navigate = useNavigate();
  const pane = useRef<HTMLElement>(null);

  function tryIt() {
    start.mutate(undefined, {
      onSuccess: async (session) => {
        await navigate({
          to: "/agents/$agentId",
          params: { agentId: agent.id },
          search: { try: session.id },
          resetScroll: false,
          // The editor stays, with what is not saved.
          ignoreBlocker: true,
        });
        pane.current?.scrollIntoView({ block: "nearest" });
      },
    });
  }

  function save({ changes, tries, onSaved }: Edited) {
    function saved() {
      onSaved();
      if (tries) tryIt();
    }
    if (Object.keys(changes).length === 0) saved();
    else change.mutate(changes, { onSuccess: saved });
  }

  return (
    <>
      <header className={styles.header}>
        <h1>{agentName(agent)}</h1>
        <Id id={agent.id} />
        <span className={styles.quiet}>
          updated <Time at={agent.updated_at} />
        </span>
        <AgentActions agent={agent} />
      </header>
      <div className={styles.columns}>
        <Editor
          saved={draftOf(agent)}
          isNew={false}
          onSave={save}
          isSaving={change.isPending}
          error={change.error}
        />
        <aside className={styles.aside} aria-label="What it does">
          <Try
            ref={pane}
            sessionId={tried}
            onStart={tryIt}
            isStarting={start.isPending}
            error={start.error}
          />
          <AgentSessions agentId={agent.id} />
          <Spend agentId={agent.id} />
          <Budgets agentId={agent.id} />
        </aside>
      </div>
    </>
  );
}
