import { Link } from "@tanstack/react-router";
import { memo, useState } from "react";
import { sessionName } from "../api/displayNames";
import { Money, Tokens } from "../parts/Amounts";
import { shortId } from "../parts/formats";
import { Menu } from "../parts/Menu";
import { RenameField } from "../parts/RenameField";
import { Time } from "../parts/Time";
import type { Session } from "./queries";
import styles from "./SessionTable.module.css";
import { stateOf } from "./state";

/** Marks the link of a row, so that keys can find it. */
export const ROW_LINK = "data-row";

interface SessionRowProps {
  session: Session;
  /** Undefined while it is not known. */
  agentName: string | undefined;
  onCopyId: () => void;
  onDelete: () => void;
}

/** A session in the list. */
export const SessionRow = memo(SessionLine, (before, after) => {
  return before.session === after.session && before.agentName === after.agentName;
});

function SessionLine({ session, agentName, onCopyId, onDelete }: SessionRowProps) {
  const [isRenaming, setRenaming] = useState(false);
  const { words, tone } = stateOf(session);
  const { usage } = session;
  const name = sessionName(session);
  return (
    <tr>
      <th scope="row" className={styles.name}>
        {isRenaming ? (
          <RenameField session={session} onClose={() => setRenaming(false)} />
        ) : (
          <Link
            to="/sessions/$sessionId"
            params={{ sessionId: session.id }}
            className={styles.link}
            title={session.output_preview ?? name}
            {...{ [ROW_LINK]: "" }}
          >
            {name}
          </Link>
        )}
      </th>
      <td className={styles.state}>
        <span className={styles[tone]} title={words}>
          <span className={styles.words}>{words}</span>
        </span>
      </td>
      <td className={styles.agent}>
        {session.agent_id && (
          <Link to="/agents/$agentId" params={{ agentId: session.agent_id }}>
            {agentName ?? shortId(session.agent_id)}
          </Link>
        )}
      </td>
      <td className={styles.number}>
        <Tokens count={(usage?.input_tokens ?? 0) + (usage?.output_tokens ?? 0)} />
      </td>
      <td className={styles.number}>
        <Money dollars={usage?.estimated_cost_usd} />
      </td>
      <td className={styles.created}>
        <Time at={session.created_at} />
      </td>
      <td className={styles.updated}>
        <Time at={session.updated_at} />
      </td>
      <td className={styles.actions}>
        <Menu
          label="⋯"
          name={`Actions for ${name}`}
          isQuiet
          items={[
            { label: "Rename", onSelect: () => setRenaming(true) },
            { label: "Copy id", onSelect: onCopyId },
            "line",
            { label: "Delete…", onSelect: onDelete, isDangerous: true },
          ]}
        />
      </td>
    </tr>
  );
}
