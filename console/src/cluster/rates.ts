/** What happened between two states of the cluster. */

import type { Schemas } from "../api/client";

type Process = Schemas["ProcessState"];
type Actor = Schemas["SessionActorState"];
type State = Schemas["ClusterState"];

/**
 * Return which part of one CPU a process used between two reads, such as 0.25.
 *
 * Unknown, if it was not read twice or was started again in between.
 */
export function cpuShare(
  now: Process,
  before: Process | undefined,
  seconds: number,
): number | undefined {
  if (before === undefined || seconds <= 0 || now.started_at !== before.started_at)
    return undefined;
  const { cpu_seconds: used } = now;
  const { cpu_seconds: usedBefore } = before;
  if (used == null || usedBefore == null || used < usedBefore) return undefined;
  return (used - usedBefore) / seconds;
}

/** Return how many of something a session actor counted in a second between two reads. */
export function perSecond(
  now: Actor,
  before: Actor | undefined,
  seconds: number,
  count: keyof Schemas["Activity"],
): number | undefined {
  if (before === undefined || seconds <= 0 || now.started_at !== before.started_at)
    return undefined;
  if (now.activity == null || before.activity == null) return undefined;
  return Math.max(0, now.activity[count] - before.activity[count]) / seconds;
}

/** Return how many seconds are between two states. */
export function secondsBetween(before: State | undefined, now: State): number {
  return before === undefined ? 0 : (Date.parse(now.at) - Date.parse(before.at)) / 1000;
}

/** Return how long a process has run, in milliseconds. */
export function uptimeMs(process: Process, at: string): number | undefined {
  return process.started_at == null ? undefined : Date.parse(at) - Date.parse(process.started_at);
}
