/** What is said aloud of a session: finished messages and changes of its state. */

import type { AnswerItem } from "../log/itemTypes";
import type { Activity, Transcript, Turn } from "../log/types";
import type { Followed } from "../snapshot";
import { waitWords } from "../words";

/** Longer answers are read in the page, not aloud as a whole. */
const MAX_SPOKEN = 2_000;

/** Return the sentences that tell what is new since a snapshot. */
export function announcements(before: Followed, now: Followed): string[] {
  if (before.transcript === now.transcript && before.connection === now.connection) return [];
  const said = newAnswers(before.transcript, now.transcript).map(spoken);
  if (isAnotherState(before.transcript.activity, now.transcript.activity)) {
    said.push(stateWords(now.transcript.activity));
  }
  if (before.connection.kind !== now.connection.kind) {
    const { kind } = now.connection;
    if (kind === "reconnecting") said.push("The connection was lost. The page reconnects.");
    else if (kind === "connected") said.push("Connected.");
    else if (kind === "ended") said.push("The connection has ended.");
  }
  return said.filter((words) => words !== "");
}

function newAnswers(before: Transcript, now: Transcript): AnswerItem[] {
  if (before.sequence === now.sequence) return [];
  const answers: AnswerItem[] = [];
  for (const turn of newestFirst(now)) {
    if ((turn.events.at(-1)?.sequence ?? 0) <= before.sequence) break;
    for (const item of turn.items) {
      if (item.kind === "answer" && item.sequence > before.sequence) answers.push(item);
    }
  }
  return answers.sort((one, other) => one.sequence - other.sequence);
}

function* newestFirst({ past, current }: Transcript): Generator<Turn> {
  if (current !== null) yield current;
  for (let at = past.length - 1; at >= 0; at--) {
    const turn = past[at];
    if (turn !== undefined) yield turn;
  }
}

function spoken({ text }: AnswerItem): string {
  return text.length <= MAX_SPOKEN ? text : `${text.slice(0, MAX_SPOKEN)} … The answer goes on.`;
}

function isAnotherState(before: Activity, now: Activity): boolean {
  return before !== now && stateWords(before) !== stateWords(now);
}

function stateWords(activity: Activity): string {
  switch (activity.kind) {
    case "idle":
      return "The turn has ended.";
    case "thinking":
      return "The model is thinking.";
    case "writing":
      return "The model is writing.";
    case "compacting":
      return "The conversation is being compacted.";
    case "running":
      return `Running ${activity.calls.map(({ name }) => name).join(", ")}.`;
    case "sleeping":
      return `${activity.name} goes on later.`;
    case "waiting":
      return activity.waits.map((wait) => `${wait.name} waits for ${waitWords(wait)}.`).join(" ");
    case "failed":
      return `The turn failed with ${activity.code}. ${activity.message}`;
    case "cancelled":
      return "The turn was cancelled.";
  }
}
