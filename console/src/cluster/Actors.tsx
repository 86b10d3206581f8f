import { bytes, exact } from "../parts/formats";
import { Meter } from "../parts/Meter";
import { Table } from "../parts/Table";
import styles from "./Cluster.module.css";
import { InDashboard } from "./dashboard";
import { count, nodeName, ProcessCells, ProcessHeads } from "./processColumns";
import type { Observed } from "./queries";
import { cpuShare, perSecond, secondsBetween } from "./rates";

/** The session actors: which sessions are placed where, and what runs there. */
export function Actors({ observed: { state, before } }: { observed: Observed }) {
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
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Status</th>
            <th scope="col">Sessions</th>
            <th scope="col" data-number>
              Size
            </th>
            <th scope="col" data-number>
              Running
            </th>
            <th scope="col" data-number>
              Waiting
            </th>
            <th scope="col" data-number>
              Readers
            </th>
            <th scope="col" data-number title="Model calls completed per second">
              Calls/s
            </th>
            <ProcessHeads />
            <th scope="col">Node</th>
          </tr>
        </thead>
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
                <ProcessCells
                  process={actor}
                  cpu={cpuShare(actor, earlier, seconds)}
                  at={state.at}
                />
                <td>{nodeName(actor, state.nodes)}</td>
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
