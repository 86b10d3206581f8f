import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Schemas } from "../api/client";
import { bytes, duration, exact } from "../parts/formats";
import styles from "./Cluster.module.css";

const WAITS: Readonly<Record<string, string>> = {
  approval: "for an approval",
  question: "for an answer",
  tool_call: "for a tool's result",
};

/** The whole in a line: sessions, open turns, waits, the journal. */
export function Sums({ state }: { state: Schemas["ClusterState"] }) {
  const { sessions, journal } = state.registry;
  const streams = state.session_actors.reduce((sum, actor) => sum + (actor.streams ?? 0), 0);
  const waiting = Object.entries(sessions?.waiting ?? {}).filter(([, count]) => count > 0);
  return (
    <dl className={styles.sums}>
      <Sum name="Sessions">{sessions ? exact(sessions.total) : "–"}</Sum>
      <Sum name="Open turns">{sessions ? exact(sessions.turns_open) : "–"}</Sum>
      <Sum name="Waiting">
        {waiting.length === 0
          ? "0"
          : waiting.map(([kind, count]) => (
              <Link key={kind} to="/sessions" search={{ waiting: kind }} className={styles.waiting}>
                {exact(count)} <small>{WAITS[kind] ?? kind}</small>
              </Link>
            ))}
      </Sum>
      <Sum name="Readers">{exact(streams)}</Sum>
      <Sum name="Journal lag">
        {journal ? (
          <>
            {duration(journal.lag_seconds * 1000)} <small>{bytes(journal.size_bytes)}</small>
          </>
        ) : (
          "–"
        )}
      </Sum>
    </dl>
  );
}

function Sum({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
