import type { Schemas } from "../api/client";
import { shortId } from "../parts/formats";
import { Table } from "../parts/Table";
import styles from "./Cluster.module.css";
import { InDashboard } from "./dashboard";
import { nodeName, ProcessCells, ProcessHeads } from "./processColumns";
import type { Observed } from "./queries";
import { cpuShare, secondsBetween } from "./rates";

interface Row {
  key: string;
  name: string;
  role: string;
  process: Schemas["ProcessState"];
  before: Schemas["ProcessState"] | undefined;
}

/** The processes that hold no sessions: registry, standby, replicas of the API. */
export function Processes({ observed: { state, before } }: { observed: Observed }) {
  const seconds = secondsBetween(before, state);
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
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">What it does</th>
            <th scope="col" data-number>
              PID
            </th>
            <ProcessHeads />
            <th scope="col">Node</th>
          </tr>
        </thead>
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
              <ProcessCells
                process={process}
                cpu={cpuShare(process, earlier, seconds)}
                at={state.at}
              />
              <td>{nodeName(process, state.nodes)}</td>
            </tr>
          ))}
        </tbody>
      </Table>
    </section>
  );
}
