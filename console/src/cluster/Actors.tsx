import { bytes, exact } from "../parts/formats";
import { Meter } from "../parts/Meter";
import { Table } from "../parts/Table";
import { TableHead } from "../parts/TableHead";
import styles from "./Cluster.module.css";
import { InDashboard } from "./dashboard";
import { count, PROCESS_COLUMNS, ProcessCells } from "./processColumns";
import type { Observed } from "./queries";
import { perSecond, secondsBetween } from "./rates";

/** The session actors: which sessions are placed where, and what runs there. */
export function Actors({ observed }: { observed: Observed }) {
  const { state, before } = observed;
  const most = Math.max(1, ...state.session_actors.map((actor) => actor.sessions));
  const seconds = secondsBetween(before, state);
  // They keep their places, whatever order the server names them in.
  const actors = [...state.session_actors].sort((one, other) =>
    one.name.localeCompare(other.name, "en", { numeric: true }),
  );
  return (
    <section className={styles.section}>
      <h2>Session actors</h2>
      <Table label="Session actors">
        <TableHead
          columns={[
            "Name",
            "Status",
            "Sessions",
            { name: "Size", isNumber: true },
            { name: "Running", isNumber: true },
            { name: "Waiting", isNumber: true },
            { name: "Readers", isNumber: true },
            { name: "Calls/s", isNumber: true, title: "Model calls completed per second" },
            ...PROCESS_COLUMNS,
          ]}
        />
        <tbody>
          {actors.map((actor) => {
            const earlier = before?.session_actors.find(({ name }) => name === actor.name);
            return (
              <tr key={actor.name}>
                <th scope="row">
                  <InDashboard kind="actors" id={actor.actor_id}>
                    {actor.name}
                  </InDashboard>
                </th>
                <td className={styles[actor.status]}>{actor.status}</td>
                <td>
                  <Meter value={actor.sessions} most={most} label={exact(actor.sessions)} />
                </td>
                <td data-number>{bytes(actor.size_bytes)}</td>
                <td data-number>{count(actor.turns_running)}</td>
                <td data-number>{count(actor.turns_waiting)}</td>
                <td data-number>{count(actor.streams)}</td>
                <td data-number>{rate(perSecond(actor, earlier, seconds, "model_calls"))}</td>
                <ProcessCells process={actor} earlier={earlier} observed={observed} />
              </tr>
            );
          })}
        </tbody>
      </Table>
    </section>
  );
}

function rate(value: number | undefined): string {
  return value === undefined ? "–" : value.toFixed(1);
}
