import { Link } from "@tanstack/react-router";
import { useModels } from "../api/catalogue";
import type { Schemas } from "../api/client";
import { agentName } from "../api/displayNames";
import { exact } from "../parts/formats";
import { Table } from "../parts/Table";
import { TableHead } from "../parts/TableHead";
import { Time } from "../parts/Time";
import styles from "./Agents.module.css";
import { modelName } from "./models";

const SHOWN_CAPABILITIES = 3;

/** A page of agents. */
export function AgentsTable({ agents }: { agents: readonly Schemas["ListedAgent"][] }) {
  const models = useModels();
  return (
    <Table label="Agents">
      <TableHead
        columns={[
          "Name",
          "Model",
          { name: "Capabilities", className: styles.wide },
          { name: "Tags", className: styles.wide },
          { name: "Sessions", isNumber: true },
          { name: "Updated", isNumber: true },
        ]}
      />
      <tbody>
        {agents.map((agent) => (
          <tr key={agent.id}>
            <th scope="row" className={styles.name}>
              <Link to="/agents/$agentId" params={{ agentId: agent.id }}>
                {agentName(agent)}
              </Link>
              {agent.description && <p className={styles.about}>{agent.description}</p>}
            </th>
            <td className={styles.model}>{modelName(agent.default_model_id, models.data)}</td>
            <td className={styles.wide}>
              <Capabilities refs={(agent.capabilities ?? []).map(({ ref }) => ref)} />
            </td>
            <td className={styles.wide}>{(agent.tags ?? []).join(", ")}</td>
            <td data-number>
              <SessionCount agent={agent} />
            </td>
            <td data-number>
              <Time at={agent.updated_at} />
            </td>
          </tr>
        ))}
      </tbody>
    </Table>
  );
}

function Capabilities({ refs }: { refs: readonly string[] }) {
  const more = refs.length - SHOWN_CAPABILITIES;
  return (
    <span title={refs.join(", ")}>
      {refs.slice(0, SHOWN_CAPABILITIES).join(", ")}
      {more > 0 && ` +${more}`}
    </span>
  );
}

function SessionCount({ agent }: { agent: Schemas["ListedAgent"] }) {
  const { session_count: count, active_session_count: active } = agent;
  return (
    <Link
      to="/sessions"
      search={{ agent: agent.id }}
      title={active ? `${exact(active)} of them running or waiting` : undefined}
    >
      {exact(count ?? 0)}
    </Link>
  );
}
