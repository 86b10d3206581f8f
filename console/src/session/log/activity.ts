/** What a session does now, read from its newest turn. */

import type { ToolCallItem } from "./callTypes";
import type { Activity, Draft, RunningCall, Turn } from "./types";
import type { SessionStatus, Wait } from "./wire";

/** What follows from the newest turn. */
export interface Present {
  readonly status: SessionStatus;
  readonly activity: Activity;
  readonly waits: readonly Wait[];
}

/** How it is before anything was sent. */
export const NOTHING_SENT: Present = { status: "started", activity: { kind: "idle" }, waits: [] };

/**
 * Return how a session is now.
 *
 * Only the last step of the turn is looked at. What is as it was before stays the same object.
 */
export function presentOf(newest: Turn | null, draft: Draft | null, before: Present): Present {
  if (newest === null) return NOTHING_SENT;
  const calls = newest.isOpen ? openCallsOf(newest) : [];
  const found = waitsOf(calls);
  const waits = areSame(found, before.waits) ? before.waits : found;
  const activity = activityOf(newest, calls, waits, draft);
  return {
    status: statusOf(newest, calls),
    activity: isSame(activity, before.activity) ? before.activity : activity,
    waits,
  };
}

/** Return the activity when only the draft has changed. */
export function activityWith(draft: Draft, before: Activity): Activity {
  if (draft.text === "") return before;
  const writing: Activity = { kind: "writing", sinceMs: draft.sinceMs };
  return isSame(writing, before) ? before : writing;
}

/** Return the calls of the last answer that have no result. */
function openCallsOf(turn: Turn): readonly ToolCallItem[] {
  const calls: ToolCallItem[] = [];
  for (let at = turn.items.length - 1; at >= 0; at--) {
    const item = turn.items[at];
    if (item?.kind === "answer") break;
    if (item?.kind === "tool_call" && item.result === null) calls.push(item);
  }
  return calls.reverse();
}

function statusOf(turn: Turn, calls: readonly ToolCallItem[]): SessionStatus {
  if (!turn.isOpen) return "idle";
  const someoneIsAwaited = calls.some((call) => call.wait !== null);
  const nothingGoesOn = calls.every((call) => call.wait !== null || call.state === "sleeping");
  return someoneIsAwaited && nothingGoesOn ? "waitingfortoolresults" : "active";
}

/** Return the waits in the order in which the server has them: approvals come last. */
function waitsOf(calls: readonly ToolCallItem[]): readonly Wait[] {
  const waiting = calls.filter((call) => call.wait !== null);
  const inOrder = waiting.sort((one, other) => one.askedSequence - other.askedSequence);
  const held = inOrder.filter((call) => call.state === "held");
  const asked = inOrder.filter((call) => call.state !== "held");
  return [...asked, ...held].flatMap(({ wait }) => wait ?? []);
}

function activityOf(
  newest: Turn,
  calls: readonly ToolCallItem[],
  waits: readonly Wait[],
  draft: Draft | null,
): Activity {
  const { outcome } = newest;
  if (outcome?.kind === "failed") {
    return { kind: "failed", code: outcome.code, message: outcome.message };
  }
  if (outcome) return { kind: outcome.kind === "cancelled" ? "cancelled" : "idle" };
  if (!newest.isOpen && newest.items.at(-1)?.kind !== "user") return { kind: "idle" };
  if (waits.length > 0) return { kind: "waiting", waits };
  if (calls.length > 0) return working(calls);
  if (draft && draft.text !== "") return { kind: "writing", sinceMs: draft.sinceMs };
  const sinceMs = Date.parse(newest.events.at(-1)?.ts ?? "");
  const last = newest.items.at(-1);
  const isCompacting = last?.kind === "compaction" && last.state === "running";
  return { kind: isCompacting ? "compacting" : "thinking", sinceMs };
}

function working(calls: readonly ToolCallItem[]): Activity {
  const running = calls.filter((call) => call.state !== "sleeping").map(runningOf);
  if (running.length > 0) return { kind: "running", calls: running };
  const asleep = calls.map(({ name, sleepsUntilMs }) => ({ name, untilMs: sleepsUntilMs ?? 0 }));
  const first = asleep.reduce((one, other) => (other.untilMs < one.untilMs ? other : one));
  return { kind: "sleeping", ...first };
}

function runningOf(call: ToolCallItem): RunningCall {
  return { callId: call.key, name: call.name, sinceMs: call.sinceMs };
}

function isSame(one: Activity, other: Activity): boolean {
  if (one.kind === "waiting" && other.kind === "waiting") return areSame(one.waits, other.waits);
  // Without its waits, an activity is a handful of numbers and names.
  return one.kind === other.kind && JSON.stringify(one) === JSON.stringify(other);
}

function areSame(one: readonly Wait[], other: readonly Wait[]): boolean {
  return one.length === other.length && one.every((wait, at) => wait === other[at]);
}
