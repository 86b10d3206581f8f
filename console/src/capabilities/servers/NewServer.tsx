import { useNavigate } from "@tanstack/react-router";
import styles from "../Capabilities.module.css";
import { useAddServer } from "../queries";
import { EMPTY, inputOf, type ServerDraft } from "./draft";
import { ServerForm } from "./ServerForm";

/** A server to be added to the catalogue. */
export function NewServer() {
  const add = useAddServer();
  const navigate = useNavigate();

  function save(draft: ServerDraft) {
    add.mutate(inputOf(draft), {
      onSuccess: (server) =>
        navigate({ to: "/capabilities", search: { server: server.id }, ignoreBlocker: true }),
    });
  }

  return (
    <article className={styles.article}>
      <h2>Add an MCP server</h2>
      <ServerForm saved={EMPTY} isNew onSave={save} isSaving={add.isPending} error={add.error} />
    </article>
  );
}
