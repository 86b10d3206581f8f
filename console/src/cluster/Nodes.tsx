import type { Schemas } from "../api/client";
import { bytes, exact } from "../parts/formats";
import { Meter } from "../parts/Meter";
import { Table } from "../parts/Table";
import { TableHead } from "../parts/TableHead";
import styles from "./Cluster.module.css";
import { InDashboard } from "./dashboard";

/** The machines of the cluster. */
export function Nodes({ nodes }: { nodes: readonly Schemas["NodeState"][] }) {
  return (
    <section className={styles.section}>
      <h2>Nodes</h2>
      {nodes.length === 0 ? (
        <p className={styles.quiet}>This server is one process, without a cluster.</p>
      ) : (
        <Table label="Nodes">
          <TableHead
            columns={["Name", "Status", { name: "Processes", isNumber: true }, "Load", "Memory"]}
          />
          <tbody>
            {nodes.map((node) => (
              <tr key={node.id}>
                <th scope="row" title={node.id}>
                  <InDashboard kind="cluster/nodes" id={node.id}>
                    {node.hostname ?? node.id.slice(0, 8)}
                  </InDashboard>
                  {node.is_head && <span className={styles.quiet}> head</span>}
                </th>
                <td className={styles[node.status]}>{node.status}</td>
                <td data-number>{exact(node.processes)}</td>
                <td>
                  <Meter
                    value={node.load ?? 0}
                    most={node.cpus}
                    label={`${node.load?.toFixed(1) ?? "–"} on ${node.cpus} CPUs`}
                  />
                </td>
                <td>
                  <Memory node={node} />
                </td>
              </tr>
            ))}
          </tbody>
        </Table>
      )}
    </section>
  );
}

function Memory({ node }: { node: Schemas["NodeState"] }) {
  const { memory_used_bytes: used, memory_bytes: all } = node;
  if (used == null || all == null) return "–";
  return <Meter value={used} most={all} label={`${bytes(used)} of ${bytes(all)}`} />;
}
