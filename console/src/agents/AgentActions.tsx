import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Schemas } from "../api/client";
import { Confirm } from "../parts/Confirm";
import { curl } from "../parts/Curl";
import { useCopy } from "../parts/copying";
import { useDeployment } from "../parts/deployment";
import { exact } from "../parts/formats";
import { Menu } from "../parts/Menu";
import { Failed } from "../parts/State";
import styles from "./Agent.module.css";
import { useArchiveAgent, useCopyAgent, useExportAgent, useSessionsOf } from "./queries";

/** What can be done with an agent besides changing it. */
export function AgentActions({ agent }: { agent: Schemas["Agent"] }) {
  const [isArchiving, setArchiving] = useState(false);
  const [copied, copyText] = useCopy();
  const copy = useCopyAgent(agent.id);
  const exporting = useExportAgent(agent.id);
  const navigate = useNavigate();
  const hasDocs = useDeployment().data?.docs === true;
  const error = copy.error ?? exporting.error;

  function goTo(agentId: string) {
    return navigate({ to: "/agents/$agentId", params: { agentId } });
  }

  return (
    <div className={styles.actions}>
      <span role="status" className={styles.quiet}>
        {copied}
      </span>
      <Menu
        label="Actions"
        items={[
          {
            label: "Copy agent",
            onSelect: () => copy.mutate(undefined, { onSuccess: (made) => goTo(made.id) }),
          },
          {
            label: "Export as Markdown",
            onSelect: () => exporting.mutate(`${agent.name}.md`),
          },
          {
            label: "Copy as curl",
            onSelect: () => copyText(curl(window.location.origin, "GET", `/v1/agents/${agent.id}`)),
          },
          ...(hasDocs ? [{ label: "Open the API documentation", href: "/swagger-ui/" }] : []),
          "line",
          { label: "Archive agent…", isDangerous: true, onSelect: () => setArchiving(true) },
        ]}
      />
      {error !== null && <Failed error={error} />}
      {isArchiving && <Archive agent={agent} onClose={() => setArchiving(false)} />}
    </div>
  );
}

function Archive({ agent, onClose }: { agent: Schemas["Agent"]; onClose: () => void }) {
  const archive = useArchiveAgent(agent.id);
  const sessions = useSessionsOf(agent.id, 1);
  const navigate = useNavigate();
  const total = sessions.data?.total;
  return (
    <Confirm
      isOpen
      onClose={onClose}
      title={`Archive ${agent.name}?`}
      action="Archive agent"
      isBusy={archive.isPending}
      error={archive.error}
      onConfirm={() =>
        archive.mutate(undefined, {
          onSuccess: () => navigate({ to: "/agents", ignoreBlocker: true }),
        })
      }
    >
      <p>
        It will no longer be listed or take new sessions. {sessionsWords(total)} This cannot be
        undone: export it first if you may need it again.
      </p>
    </Confirm>
  );
}

function sessionsWords(total: number | undefined): string {
  if (total === undefined) return "Its sessions stay, and go on as before.";
  if (total === 0) return "It has no sessions.";
  if (total === 1) return "Its session stays, and goes on as before.";
  return `Its ${exact(total)} sessions stay, and go on as before.`;
}
