/** The columns of processes, whatever they do. */

import type { Schemas } from "../api/client";
import { bytes, duration, exact } from "../parts/formats";
import type { Column } from "../parts/TableHead";
import styles from "./Cluster.module.css";
import type { Observed } from "./queries";
import { cpuShare, secondsBetween, uptimeMs } from "./rates";

/** The columns that every process has. */
export const PROCESS_COLUMNS: readonly (string | Column)[] = [
  { name: "CPU", isNumber: true },
  { name: "Memory", isNumber: true },
  { name: "Restarts", isNumber: true },
  { name: "Up for", isNumber: true },
  "Node",
];

interface ProcessCellsProps {
  process: Schemas["ProcessState"];
  /** The same process in the state before, if it was there. */
  earlier: Schemas["ProcessState"] | undefined;
  observed: Observed;
}

/** What is known of every process: CPU, memory, restarts, how long it has run, and its node. */
export function ProcessCells({ process, earlier, observed: { state, before } }: ProcessCellsProps) {
  const cpu = cpuShare(process, earlier, secondsBetween(before, state));
  const up = uptimeMs(process, state.at);
  return (
    <>
      <td data-number title="Of one CPU, since the last update">
        {cpu === undefined ? "–" : `${(cpu * 100).toFixed(0)}%`}
      </td>
      <td data-number>{process.memory_bytes == null ? "–" : bytes(process.memory_bytes)}</td>
      <td data-number className={(process.restarts ?? 0) > 0 ? styles.silent : undefined}>
        {count(process.restarts)}
      </td>
      <td data-number>{up === undefined ? "–" : duration(up)}</td>
      <td>{nodeName(process, state.nodes)}</td>
    </>
  );
}

/** Return the name of a process's node. */
function nodeName(
  process: Pick<Schemas["ProcessState"], "node_id">,
  nodes: readonly Schemas["NodeState"][],
): string {
  const { node_id: id } = process;
  if (id == null) return "–";
  return nodes.find((node) => node.id === id)?.hostname ?? id.slice(0, 8);
}

/** Return a count, or a dash if it is unknown. */
export function count(value: number | null | undefined): string {
  return value == null ? "–" : exact(value);
}
