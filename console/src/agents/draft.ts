/** An agent while it is edited, and which of its fields have changed. */

import type { Schemas } from "../api/client";
import { isSame } from "../parts/json";

export type Agent = Schemas["Agent"];
export type CapabilityChoice = Schemas["CapabilityConfigInput"];
export type ClientTool = Schemas["ClientTool"];
export type InitialFile = Schemas["InitialFileInput"];
export type OwnServer = Schemas["GivenMcpServer"];
export type Controls = Schemas["AnswerControlsInput"];
export type WaitRule = Schemas["WaitRuleInput"];

/** The fields of an agent that a client sets. What is empty is not set. */
export interface Draft {
  name: string;
  display_name: string;
  description: string;
  system_prompt: string;
  default_model_id: string | undefined;
  tags: readonly string[];
  capabilities: readonly CapabilityChoice[];
  tools: readonly ClientTool[];
  controls: Controls;
  client_tool_wait: WaitRule;
  max_iterations: number | undefined;
  parallel_tool_calls: boolean | undefined;
  initial_files: readonly InitialFile[];
  mcp_servers: Readonly<Record<string, OwnServer>>;
}

/** A draft of an agent that has nothing yet. */
export const EMPTY: Draft = {
  name: "",
  display_name: "",
  description: "",
  system_prompt: "",
  default_model_id: undefined,
  tags: [],
  capabilities: [],
  tools: [],
  controls: {},
  client_tool_wait: {},
  max_iterations: undefined,
  parallel_tool_calls: undefined,
  initial_files: [],
  mcp_servers: {},
};

/** Return an agent as a draft. */
export function draftOf(agent: Agent): Draft {
  return {
    name: agent.name,
    display_name: agent.display_name ?? "",
    description: agent.description ?? "",
    system_prompt: agent.system_prompt,
    default_model_id: agent.default_model_id ?? undefined,
    tags: agent.tags ?? [],
    capabilities: agent.capabilities ?? [],
    tools: (agent.tools ?? []).map(clientTool),
    controls: agent.controls ?? {},
    client_tool_wait: agent.client_tool_wait ?? {},
    max_iterations: agent.max_iterations ?? undefined,
    parallel_tool_calls: agent.parallel_tool_calls ?? undefined,
    initial_files: agent.initial_files ?? [],
    mcp_servers: agent.mcp_servers ?? {},
  };
}

/**
 * Return what a draft changes of another: only these fields, so that what somebody else has
 * changed meanwhile stays.
 */
export function changesOf(before: Draft, after: Draft): Schemas["AgentPatch"] {
  const { name, system_prompt, tags, capabilities, tools, initial_files, mcp_servers } = after;
  const all: Schemas["AgentPatch"] = {
    name,
    system_prompt,
    display_name: after.display_name === "" ? null : after.display_name,
    description: after.description === "" ? null : after.description,
    default_model_id: after.default_model_id ?? null,
    tags: [...tags],
    capabilities: [...capabilities],
    tools: [...tools],
    controls: isSame(after.controls, {}) ? null : after.controls,
    client_tool_wait: isSame(after.client_tool_wait, {}) ? null : after.client_tool_wait,
    max_iterations: after.max_iterations ?? null,
    parallel_tool_calls: after.parallel_tool_calls ?? null,
    initial_files: [...initial_files],
    mcp_servers,
  };
  const same = FIELDS.filter((field) => isSame(before[field], after[field]));
  for (const field of same) delete all[field];
  return all;
}

/** Return the request that makes an agent of a draft, without the fields that are not set. */
export function inputOf(draft: Draft): Schemas["AgentInput"] {
  return { ...withoutNulls(changesOf(EMPTY, draft)), name: draft.name };
}

const FIELDS = [
  "name",
  "display_name",
  "description",
  "system_prompt",
  "default_model_id",
  "tags",
  "capabilities",
  "tools",
  "controls",
  "client_tool_wait",
  "max_iterations",
  "parallel_tool_calls",
  "initial_files",
  "mcp_servers",
] as const satisfies readonly (keyof Draft)[];

function clientTool({ type: _type, policy, ...rest }: Schemas["ToolDefinition"]): ClientTool {
  // `auto` and `client_side` say the same of a client's tool.
  return { ...rest, type: "client_side", policy: policy === "client_side" ? "auto" : policy };
}

function withoutNulls(patch: Schemas["AgentPatch"]): Schemas["AgentPatch"] {
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== null));
}
