import { Link } from "@tanstack/react-router";
import { duration, exact } from "../parts/formats";
import { State } from "../parts/State";
import { Table } from "../parts/Table";
import { TableHead } from "../parts/TableHead";
import type { Period } from "./period";
import { useFailingTools } from "./queries";
import styles from "./Usage.module.css";

interface FailingToolsProps {
  period: Period;
  agentId: string | undefined;
}

/** The tools whose calls failed most often. */
export function FailingTools({ period, agentId }: FailingToolsProps) {
  const tools = useFailingTools(period, agentId);
  return (
    <section className={styles.section}>
      <h2>Failing tools</h2>
      <State
        query={tools}
        rows={2}
        isEmpty={(rows) => rows.length === 0}
        empty={<p>No tool call failed in this period.</p>}
      >
        {(rows) => (
          <Table label="Failing tools">
            <TableHead
              columns={[
                "Tool",
                { name: "Failed", isNumber: true },
                { name: "Calls", isNumber: true },
                { name: "p50", isNumber: true },
                "Most frequent error",
              ]}
            />
            <tbody>
              {rows.map((tool) => (
                <tr key={tool.name}>
                  <th scope="row">
                    <code>{tool.name}</code>
                  </th>
                  <td data-number className={styles.bad}>
                    {exact(tool.failed)}
                  </td>
                  <td data-number>{exact(tool.calls)}</td>
                  <td data-number>
                    {tool.halfWithinMs === null ? "–" : duration(tool.halfWithinMs)}
                  </td>
                  <td>
                    <div className={styles.error} title={tool.usualError}>
                      {tool.usualError}
                    </div>
                  </td>
                </tr>
              ))}
            </tbody>
          </Table>
        )}
      </State>
      <p>
        <Link to="/sql" search={{ query: FAILURES }}>
          See each failed call
        </Link>
      </p>
    </section>
  );
}

const FAILURES =
  "SELECT ended_at, tool_name, error, session_id\nFROM tool_calls\nWHERE NOT success\nORDER BY ended_at DESC\nLIMIT 100";
