import type { Schemas } from "../api/client";
import { shortId } from "../parts/formats";
import { Table } from "../parts/Table";
import { TableHead } from "../parts/TableHead";
import styles from "./Cluster.module.css";
import { InDashboard } from "./dashboard";
import { PROCESS_COLUMNS, ProcessCells } from "./processColumns";
import type { Observed } from "./queries";

interface Row {
  key: string;
  name: string;
  role: string;
  process: Schemas["ProcessState"];
  before: Schemas["ProcessState"] | undefined;
}

/** The processes that hold no sessions: registry, standby, replicas of the API. */
export function Processes({ observed }: { observed: Observed }) {
  const { state, before } = observed;
  const rows: Row[] = [
    {
      key: "registry",
      name: "registry",
      role: "places sessions and stores their logs",
      process: state.registry,
      before: before?.registry,
    },
    ...(state.standby
      ? [
          {
            key: "standby",
            name: "standby",
            role: "takes over from the registry",
            process: state.standby,
            before: before?.standby ?? undefined,
          },
        ]
      : []),
    ...state.replicas.map((replica) => ({
      key: replica.id,
      name: shortId(replica.id),
      role: "answers requests",
      process: replica,
      before: before?.replicas.find(({ id }) => id === replica.id),
    })),
  ];
  return (
    <section className={styles.section}>
      <h2>Other processes</h2>
      <Table label="Other processes">
        <TableHead
          columns={["Name", "What it does", { name: "PID", isNumber: true }, ...PROCESS_COLUMNS]}
        />
        <tbody>
          {rows.map(({ key, name, role, process, before: earlier }) => (
            <tr key={key}>
              <th scope="row">
                <InDashboard kind="actors" id={process.actor_id}>
                  {name}
                </InDashboard>
              </th>
              <td className={styles.quiet}>{role}</td>
              <td data-number>{process.pid ?? "–"}</td>
              <ProcessCells process={process} earlier={earlier} observed={observed} />
            </tr>
          ))}
        </tbody>
      </Table>
    </section>
  );
}
