/** The columns of processes, whatever they do. */

import type { Schemas } from "../api/client";
import { bytes, duration, exact } from "../parts/formats";
import styles from "./Cluster.module.css";
import { uptimeMs } from "./rates";

/** The heads of the columns that every process has. */
export function ProcessHeads() {
  return (
    <>
      <th scope="col" data-number>
        CPU
      </th>
      <th scope="col" data-number>
        Memory
      </th>
      <th scope="col" data-number>
        Restarts
      </th>
      <th scope="col" data-number>
        Up for
      </th>
    </>
  );
}

interface ProcessCellsProps {
  process: Schemas["ProcessState"];
  cpu: number | undefined;
  at: string;
}

/** What is known of every process: CPU, memory, restarts, and how long it has run. */
export function ProcessCells({ process, cpu, at }: ProcessCellsProps) {
  const up = uptimeMs(process, at);
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
    </>
  );
}

/** Return the name of a process's node. */
export function nodeName(
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
