import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Button } from "../../parts/Button";
import { Confirm } from "../../parts/Confirm";
import { Curl } from "../../parts/Curl";
import { Id } from "../../parts/Id";
import styles from "../Capabilities.module.css";
import { useChangeServer, useDeleteServer } from "../queries";
import { Authorizations } from "./Authorizations";
import { changesOf, draftOf, type Server, type ServerDraft } from "./draft";
import { ServerForm } from "./ServerForm";
import { ServerTest } from "./ServerTest";

interface ServerDetailProps {
  id: string;
  servers: readonly Server[];
  /** Which page of its authorizations is shown; the first is 1. */
  page: number;
}

/** One MCP server: whether it answers, who has authorized agents there, and its settings. */
export function ServerDetail({ id, servers, page }: ServerDetailProps) {
  const server = servers.find((one) => one.id === id);
  if (server === undefined) {
    return (
      <p role="alert">
        There is no MCP server <code>{id}</code>. It may have been deleted.
      </p>
    );
  }
  return (
    <article key={id} className={styles.article}>
      <header className={styles.heading}>
        <h2>{server.name}</h2>
        <Id id={server.id} />
        {server.status === "disabled" && <span className={styles.about}>disabled</span>}
      </header>
      <ServerTest serverId={server.id} />
      {server.auth && <Authorizations server={server} page={page} />}
      {server.type === "stdio" ? <Program server={server} /> : <Settings server={server} />}
      <section>
        <h3>In a terminal</h3>
        <Curl method="POST" path={`/v1/mcp-servers/${server.id}/test`} />
      </section>
    </article>
  );
}

function Settings({ server }: { server: Server }) {
  const [isDeleting, setDeleting] = useState(false);
  const change = useChangeServer(server.id);
  const remove = useDeleteServer(server.id);
  const navigate = useNavigate();
  const saved = draftOf(server);

  function save(draft: ServerDraft, onSaved: () => void) {
    const changes = changesOf(saved, draft);
    if (Object.keys(changes).length > 0) change.mutate(changes, { onSuccess: onSaved });
  }

  return (
    <>
      <ServerForm
        saved={saved}
        isNew={false}
        onSave={save}
        isSaving={change.isPending}
        error={change.error}
      />
      <div>
        <Button tone="danger" onClick={() => setDeleting(true)}>
          Delete server…
        </Button>
      </div>
      {isDeleting && (
        <Confirm
          isOpen
          onClose={() => setDeleting(false)}
          title={`Delete ${server.name}?`}
          action="Delete server"
          isBusy={remove.isPending}
          error={remove.error}
          onConfirm={() =>
            remove.mutate(undefined, {
              onSuccess: () => navigate({ to: "/capabilities", ignoreBlocker: true }),
            })
          }
        >
          <p>
            Agents that use it go on without its tools. Its headers and all authorizations of its
            users are deleted. A new server named {server.name} would take its place.
          </p>
        </Confirm>
      )}
    </>
  );
}

function Program({ server }: { server: Server }) {
  const variables = Object.keys(server.environment ?? {});
  return (
    <section>
      <h3>Program</h3>
      <pre className={styles.text}>{(server.command ?? []).join(" ")}</pre>
      {variables.length > 0 && <p>With the variables {variables.join(", ")}.</p>}
      <p className={styles.about}>
        A program is named in the deployment's configuration, and is changed only there.
      </p>
    </section>
  );
}
