/** What a session does and how the page is connected to it, in words. */

import { duration } from "../parts/formats";
import type { Activity } from "./log/types";
import type { Wait } from "./log/wire";
import type { Connection } from "./snapshot";

/** How serious a state is; the words say the same, the colour only helps. */
export type Tone = "quiet" | "busy" | "attention" | "bad";

/** Return what a session does. */
export function activityWords(activity: Activity, nowMs: number): string {
  switch (activity.kind) {
    case "idle":
      return "idle";
    case "thinking":
      return `thinking (${passed(activity.sinceMs, nowMs)})`;
    case "writing":
      return "writing";
    case "compacting":
      return "compacting the conversation for the model";
    case "running":
      return `running ${activity.calls
        .map(({ name, sinceMs }) => `${name} (${passed(sinceMs, nowMs)})`)
        .join(", ")}`;
    case "sleeping":
      return `${activity.name} goes on in ${left(activity.untilMs, nowMs)}`;
    case "waiting":
      return waitingWords(activity.waits, nowMs);
    case "failed":
      return `failed ${activity.code}`;
    case "cancelled":
      return "cancelled";
  }
}

/** Return how serious it is. */
export function activityTone(activity: Activity): Tone {
  switch (activity.kind) {
    case "idle":
    case "cancelled":
      return "quiet";
    case "waiting":
      return "attention";
    case "failed":
      return "bad";
    default:
      return "busy";
  }
}

/** Return how the page is connected. */
export function connectionWords(connection: Connection, nowMs: number): string {
  switch (connection.kind) {
    case "connecting":
    case "connected":
      return connection.kind;
    case "reconnecting":
      return `reconnecting in ${Math.max(0, Math.ceil((connection.untilMs - nowMs) / 1000))} s`;
    case "paused":
      return "paused while this page was hidden";
    case "ended":
      return `disconnected: ${connection.failure.code}`;
  }
}

/** Return for what a call waits. */
export function waitWords({ type, decided_by }: Wait): string {
  switch (type) {
    case "approval":
      return decided_by === "operator" ? "an operator's decision" : "your decision";
    case "question":
      return "your answer";
    case "tool_call":
      return "a client's result";
  }
}

/** Return how long it is until a time, such as "14:32" or "23 h 05 m". */
export function left(untilMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((untilMs - nowMs) / 1000));
  if (seconds >= 3600) return duration(seconds * 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** Return how much time a call that waits has left, or null if it has no limit. */
export function timeLeft({ expires_at }: Wait, nowMs: number): string | null {
  if (expires_at == null) return null;
  const untilMs = Date.parse(expires_at);
  return untilMs <= nowMs ? "its time is over" : `${left(untilMs, nowMs)} left`;
}

function waitingWords(waits: readonly Wait[], nowMs: number): string {
  const [first] = waits;
  if (first === undefined) return "waits";
  const deadlines = waits.flatMap(({ expires_at }) => expires_at ?? []).sort();
  const soonest = waits.find(({ expires_at }) => expires_at === deadlines[0]) ?? first;
  const remaining = timeLeft(soonest, nowMs);
  const isClient = waits.every(({ type }) => type === "tool_call");
  const words = isClient ? "waits for a client's result" : "waits for you";
  return remaining === null ? words : `${words} (${remaining})`;
}

function passed(sinceMs: number, nowMs: number): string {
  return `${Math.max(0, Math.round((nowMs - sinceMs) / 1000))} s`;
}
