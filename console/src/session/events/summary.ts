/** An event in one line. */

import { duration } from "../../parts/formats";
import { isKnown, type KnownEvent, type LogEvent, type Message } from "../log/wire";

const MAX_LENGTH = 200;

/** How serious an event is. */
export type Weight = "plain" | "waits" | "bad";

/** Return what an event says, in one line. */
export function summaryOf(event: LogEvent): string {
  return oneLine(isKnown(event) ? wordsOf(event) : JSON.stringify(event.data));
}

/** Return how serious an event is. */
export function weightOf(event: LogEvent): Weight {
  if (!isKnown(event)) return "plain";
  switch (event.type) {
    case "session.failed":
      return "bad";
    case "tool.result":
      return event.data.success ? "plain" : "bad";
    case "tool.approval":
      return event.data.status === "requested" ? "waits" : "plain";
    case "tool.call":
      return event.data.client_side ? "waits" : "plain";
    case "wait.reminder":
      return "waits";
    default:
      return "plain";
  }
}

function wordsOf(event: KnownEvent): string {
  switch (event.type) {
    case "session.started":
      return event.data.retry_of ? "a turn begins, which retries another one" : "a turn begins";
    case "session.completed":
      return `the turn ends after ${duration(event.data.duration_ms)}`;
    case "session.failed":
      return `${event.data.error.code}: ${event.data.error.message}`;
    case "session.cancelled":
      return event.data.reason ?? "the turn was cancelled";
    case "session.forked":
      return `what is above comes from ${event.data.forked_from_session_id}`;
    case "message.created":
      return `${event.data.message.role}: ${wordsOfMessage(event.data.message)}`;
    case "tool.call": {
      const { name, arguments: given } = event.data.tool_call;
      return `${name} ${JSON.stringify(given)}`;
    }
    case "tool.result":
      return `${event.data.name}: ${event.data.error ?? JSON.stringify(event.data.result ?? event.data.parts ?? null)}`;
    case "tool.approval":
      return `${event.data.name} ${event.data.status}`;
    case "tool.suspended":
      return `${event.data.name} is suspended`;
    case "tool.resumed":
      return `${event.data.name} goes on`;
    case "tool.question_closed":
      return `${event.data.name}: ${event.data.unanswered ?? "answered"}`;
    case "wait.reminder":
      return `${event.data.name} ${event.data.overdue ? "is overdue" : "waits"}`;
    case "capabilities.prepared":
      return "what capabilities offer has changed";
    case "context.compacting":
      return `${event.data.strategy}, for ${event.data.reason}`;
    case "context.compacted":
      return `${event.data.tokens_before} tokens became ${event.data.tokens_after}`;
  }
}

function wordsOfMessage({ content }: Message): string {
  return content
    .map((part) => {
      switch (part.type) {
        case "text":
          return part.text;
        case "tool_call":
          return `calls ${part.name}`;
        case "file":
          return "filename" in part ? `[${part.filename}]` : "[file]";
        default:
          return `[${part.type}]`;
      }
    })
    .join(" ");
}

function oneLine(text: string): string {
  const line = text.slice(0, MAX_LENGTH * 2).replaceAll(/\s+/g, " ");
  return line.length <= MAX_LENGTH ? line : `${line.slice(0, MAX_LENGTH)}…`;
}
