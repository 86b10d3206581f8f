/** What each event makes of a tool call. */

import type { Approval, QuestionRound, ToolCallItem } from "./callTypes";
import { ASK_USER, answersIn, questionsIn } from "./questions";
import type { DataOf, LogEvent, Message, Wait } from "./wire";

/** An event with the time that it tells. */
export interface Moment {
  readonly event: LogEvent;
  readonly atMs: number;
}

interface Asking {
  readonly timeout_ms?: number | null;
  readonly on_timeout?: Wait["on_timeout"] | null;
}

/** A call of which only its id and its tool are known. */
export function unstarted(callId: string, name: string, { event, atMs }: Moment): ToolCallItem {
  return {
    kind: "tool_call",
    key: callId,
    sequence: event.sequence,
    atMs,
    isSuperseded: false,
    name,
    arguments: null,
    messageId: null,
    state: "requested",
    sinceMs: atMs,
    runs: 0,
    refusal: null,
    progress: null,
    sleepsUntilMs: null,
    approval: null,
    questions: [],
    isClientSide: false,
    wait: null,
    askedSequence: 0,
    isOverdue: false,
    result: null,
  };
}

/** `tool.call`: its tool runs, or somebody outside is asked. */
export function called(
  call: ToolCallItem,
  data: DataOf<"tool.call">,
  moment: Moment,
): ToolCallItem {
  const { name, arguments: given = {} } = data.tool_call;
  const known = { ...call, messageId: call.messageId ?? data.message_id };
  if (!data.client_side) {
    return {
      ...moved(known, "running", moment),
      arguments: call.arguments ?? given,
      runs: call.runs + 1,
    };
  }
  // A tool that asks does so in the form of a call of `ask_user`; its own arguments stay.
  const isAskedByTool = call.state === "running" || call.state === "suspended";
  const asked = name === ASK_USER ? questionsIn(given) : null;
  if (!isAskedByTool && asked === null) {
    const wait = waitFor("tool_call", call, given, data, moment);
    const waiting = {
      ...moved(known, "with_client", moment),
      arguments: given,
      isClientSide: true,
    };
    return { ...waiting, wait, askedSequence: moment.event.sequence };
  }
  const byDefault = isAskedByTool ? "error" : "recommendation";
  const round: QuestionRound = {
    questions: asked ?? [],
    askedMs: moment.atMs,
    answers: null,
    unanswered: null,
    isOpen: true,
  };
  return {
    ...moved(known, "asking", moment),
    arguments: isAskedByTool ? call.arguments : given,
    questions: [...call.questions, round],
    wait: waitFor("question", call, given, data, moment, byDefault),
    askedSequence: moment.event.sequence,
  };
}

/** `tool.approval`: it is held, or somebody has decided. */
export function approved(
  call: ToolCallItem,
  data: DataOf<"tool.approval">,
  moment: Moment,
): ToolCallItem {
  if (data.status === "requested") {
    const given = data.tool_call?.arguments ?? call.arguments ?? {};
    const decider = data.decided_by?.kind ?? "end_user";
    const wait = waitFor("approval", call, given, data, moment);
    const approval: Approval = {
      state: "requested",
      requestedMs: moment.atMs,
      decider,
      decidedBy: null,
      decidedMs: null,
      isForAlways: false,
      reason: null,
    };
    return {
      ...moved(call, "held", moment),
      arguments: call.arguments ?? given,
      messageId: call.messageId ?? data.message_id ?? null,
      approval,
      wait: data.decided_by ? { ...wait, decided_by: decider } : wait,
      askedSequence: moment.event.sequence,
    };
  }
  const approval: Approval = {
    state: data.status,
    requestedMs: call.approval?.requestedMs ?? null,
    decider: call.approval?.decider ?? "end_user",
    decidedBy: data.decided_by ?? null,
    decidedMs: moment.atMs,
    isForAlways: data.always === true,
    reason: data.reason ?? null,
  };
  return { ...moved(call, "requested", moment), approval };
}

/** `tool.suspended`: its tool has let go of it, to ask or for a time. */
export function suspended(
  call: ToolCallItem,
  data: DataOf<"tool.suspended">,
  moment: Moment,
): ToolCallItem {
  const seconds = data.resume_after_seconds;
  if (seconds == null) return moved(call, "suspended", moment);
  const sleepsUntilMs = moment.atMs + Math.round(seconds * 1000);
  return { ...moved(call, "sleeping", moment), sleepsUntilMs };
}

/** `tool.resumed`: it may go on. */
export function resumed(
  call: ToolCallItem,
  data: DataOf<"tool.resumed">,
  moment: Moment,
): ToolCallItem {
  const questions = closed(call.questions, { answers: answersIn(data.answers) });
  return { ...moved(call, "requested", moment), questions };
}

/** `tool.question_closed`: what it asked while it runs is over. */
export function questionClosed(
  call: ToolCallItem,
  data: DataOf<"tool.question_closed">,
  moment: Moment,
): ToolCallItem {
  const answers = answersIn(data.answers);
  const questions = closed(call.questions, { answers, unanswered: data.unanswered ?? null });
  return { ...moved(call, "running", moment), questions };
}

/** `wait.reminder`: it still waits. */
export function reminded(call: ToolCallItem, data: DataOf<"wait.reminder">): ToolCallItem {
  return data.overdue && !call.isOverdue ? { ...call, isOverdue: true } : call;
}

/** `tool.result`: it has ended. */
export function returned(
  call: ToolCallItem,
  data: DataOf<"tool.result">,
  moment: Moment,
): ToolCallItem {
  const unanswered = data.unanswered ?? null;
  const answers = call.name === ASK_USER ? answersIn(data.result) : null;
  const result = {
    message: messageOf(data, moment.event),
    atMs: moment.atMs,
    succeeded: data.success,
    value: data.result ?? null,
    parts: data.parts ?? null,
    error: data.error ?? null,
    durationMs: data.duration_ms,
    unanswered,
  };
  return {
    ...moved(call, "ended", moment),
    questions: closed(call.questions, { answers, unanswered }),
    approval: unDecided(call.approval),
    result,
  };
}

/** The end of its turn, if it has no result. */
export function abandoned(call: ToolCallItem, moment: Moment): ToolCallItem {
  const questions = closed(call.questions, { unanswered: "turn_ended" });
  return { ...moved(call, "abandoned", moment), questions, approval: unDecided(call.approval) };
}

/** Return a call in another state, in which it waits for nobody. */
function moved(call: ToolCallItem, state: ToolCallItem["state"], { atMs }: Moment): ToolCallItem {
  return {
    ...call,
    state,
    sinceMs: atMs,
    progress: null,
    sleepsUntilMs: null,
    wait: null,
    askedSequence: 0,
    isOverdue: false,
  };
}

function waitFor(
  type: Wait["type"],
  call: ToolCallItem,
  given: Wait["arguments"],
  asking: Asking,
  { event, atMs }: Moment,
  byDefault: Wait["on_timeout"] = "error",
): Wait {
  const wait: Wait = {
    type,
    tool_call_id: call.key,
    name: call.name,
    arguments: given ?? {},
    since: event.ts,
    on_timeout: asking.on_timeout ?? byDefault,
  };
  if (asking.timeout_ms == null) return wait;
  return { ...wait, expires_at: new Date(atMs + asking.timeout_ms).toISOString() };
}

function closed(
  rounds: readonly QuestionRound[],
  ending: Partial<Pick<QuestionRound, "answers" | "unanswered">>,
): readonly QuestionRound[] {
  const last = rounds.at(-1);
  return last?.isOpen ? [...rounds.slice(0, -1), { ...last, ...ending, isOpen: false }] : rounds;
}

function unDecided(approval: Approval | null): Approval | null {
  return approval?.state === "requested" ? { ...approval, state: "closed" } : approval;
}

/** Return the message that a result is, as the server lists it. */
function messageOf(data: DataOf<"tool.result">, event: LogEvent): Message {
  const outcome = data.parts
    ? { parts: data.parts }
    : data.error != null
      ? { error: data.error }
      : data.result == null
        ? {}
        : { result: data.result };
  return {
    id: event.id.replace("event_", "message_"),
    session_id: event.session_id,
    role: "tool_result",
    content: [{ type: "tool_result", tool_call_id: data.tool_call_id, ...outcome }],
    sequence: event.sequence,
    metadata: {},
    tags: [],
    created_at: event.ts,
  };
}
