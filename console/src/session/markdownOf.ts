/** A conversation as a Markdown document, to be pasted elsewhere. */

import { shownJson } from "./chat/values";
import type { ToolCallItem } from "./log/callTypes";
import type { Item } from "./log/itemTypes";
import type { Transcript, Turn } from "./log/types";
import type { Message } from "./log/wire";

/** Return the loaded part of a conversation; what retries took out is left out. */
export function markdownOf(title: string, transcript: Transcript): string {
  const { past, current, isWhole } = transcript;
  const turns = current === null ? past : [...past, current];
  const beginning = isWhole ? [] : ["*Earlier messages are not in this copy.*"];
  return [`# ${title}`, ...beginning, ...turns.flatMap(ofTurn)].join("\n\n").concat("\n");
}

function ofTurn({ items, outcome }: Turn): string[] {
  const said = items.filter(({ isSuperseded }) => !isSuperseded).flatMap(ofItem);
  if (outcome?.kind === "failed") said.push(`**Failed: ${outcome.code}.** ${outcome.message}`);
  if (outcome?.kind === "cancelled") said.push("**Cancelled.**");
  return said;
}

function ofItem(item: Item): string[] {
  switch (item.kind) {
    case "user":
      return ["## User", ofContent(item.message.content)];
    case "answer":
      if (item.text === "" && item.output === null) return [];
      return [`## ${item.model ?? "Answer"}`, item.text];
    case "tool_call":
      return ofCall(item);
    default:
      return [];
  }
}

function ofContent(content: Message["content"]): string {
  return content
    .map((part) => {
      if (part.type === "text") return part.text;
      if (part.type === "image") return `*Image${part.path == null ? "" : ` ${part.path}`}*`;
      return part.type === "file" ? `*File ${part.filename}*` : "";
    })
    .join("\n\n");
}

function ofCall({ name, arguments: given, result }: ToolCallItem): string[] {
  const call = [`### Tool call: ${name}`, fenced(shownJson(given ?? {}))];
  if (result === null) return call;
  if (result.error !== null) return [...call, "Error:", fenced(result.error)];
  return [...call, "Result:", fenced(shownJson(result.parts ?? result.value))];
}

/** Return a text in a fence that is longer than any in it. */
function fenced(text: string): string {
  const runs = text.match(/`{3,}/g) ?? [];
  const fence = "`".repeat(Math.max(3, ...runs.map((run) => run.length + 1)));
  return `${fence}\n${text}\n${fence}`;
}
