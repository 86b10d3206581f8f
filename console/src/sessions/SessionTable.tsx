import { useRef, useState } from "react";
import { sessionName } from "../api/displayNames";
import { useAgentNames } from "../parts/agents/queries";
import { Confirm } from "../parts/Confirm";
import { useCopy } from "../parts/copying";
import { useDeleteSession } from "../parts/sessionChanges";
import { useShortcuts } from "../parts/shortcuts";
import { ACTIONS, TableHead } from "../parts/TableHead";
import type { Session } from "./queries";
import { ROW_LINK, SessionRow } from "./SessionRow";
import styles from "./SessionTable.module.css";

/** Sessions as rows. `j` and `k` go from one to the next, Enter opens one, `c` copies its id. */
export function SessionTable({ sessions }: { sessions: readonly Session[] }) {
  const table = useRef<HTMLTableElement>(null);
  const agentNames = useAgentNames(sessions.flatMap(({ agent_id: id }) => id ?? []));
  const [doomed, setDoomed] = useState<Session | null>(null);
  const deletion = useDeleteSession();
  const [copied, copy] = useCopy();

  function links(): HTMLAnchorElement[] {
    return [...(table.current?.querySelectorAll<HTMLAnchorElement>(`a[${ROW_LINK}]`) ?? [])];
  }

  function move(step: number) {
    const rows = links();
    const current = rows.findIndex((row) => row.matches(":focus"));
    const next = current === -1 ? 0 : Math.min(Math.max(current + step, 0), rows.length - 1);
    rows[next]?.focus();
  }

  useShortcuts({
    j: () => move(1),
    k: () => move(-1),
    c: () => {
      const row = links().findIndex((link) => link.matches(":focus"));
      const session = sessions[row];
      if (session !== undefined) void copy(session.id);
    },
  });

  function close() {
    setDoomed(null);
    deletion.reset();
  }

  return (
    <>
      <table ref={table} className={styles.table}>
        <TableHead
          columns={[
            "Session",
            { name: "State", className: styles.state },
            { name: "Agent", className: styles.agent },
            { name: "Tokens", className: styles.number },
            { name: "Cost", className: styles.number },
            { name: "Created", className: styles.created },
            { name: "Updated", className: styles.updated },
            { ...ACTIONS, className: styles.actions },
          ]}
        />
        <tbody>
          {sessions.map((session) => (
            <SessionRow
              key={session.id}
              session={session}
              agentName={agentNames.get(session.agent_id ?? "")}
              onCopyId={() => void copy(session.id)}
              onDelete={() => setDoomed(session)}
            />
          ))}
        </tbody>
      </table>
      <p role="status" className="visually-hidden">
        {copied}
      </p>
      {doomed !== null && (
        <Confirm
          isOpen
          title="Delete this session?"
          action="Delete session"
          isBusy={deletion.isPending}
          error={deletion.error}
          onClose={close}
          onConfirm={() => deletion.mutate(doomed.id, { onSuccess: close })}
        >
          <p>
            <strong>{sessionName(doomed)}</strong>
          </p>
          <p>
            This deletes its messages, its log and its own files, and ends a running turn. Files of
            a shared workspace stay. It cannot be undone.
          </p>
        </Confirm>
      )}
    </>
  );
}
