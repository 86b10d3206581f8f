/** An MCP server while it is edited, and which of its fields have changed. */

import type { Schemas } from "../../api/client";
import { isSame } from "../../parts/json";
import type { ServerValues } from "../../parts/ServerFields";

export type Server = Schemas["McpServer"];
export type Auth = Schemas["GivenMcpAuth"];

/** What can be said about a server. */
export interface ServerDraft extends ServerValues {
  name: string;
  description: string;
  status: "active" | "disabled";
  /** Null if it wants no OAuth. */
  auth: Auth | null;
}

/** A server that has nothing yet. */
export const EMPTY: ServerDraft = {
  name: "",
  description: "",
  status: "active",
  auth: null,
  type: "http",
  url: "",
  headers: {},
  allowed_tools: null,
  require_approval: "never",
};

/** Return a server as a draft. */
export function draftOf(server: Server): ServerDraft {
  return {
    name: server.name,
    description: server.description ?? "",
    status: server.status,
    auth: server.auth ?? null,
    type: server.type === "sse" ? "sse" : "http",
    url: server.url ?? "",
    headers: server.headers ?? {},
    allowed_tools: server.allowed_tools ?? null,
    require_approval: server.require_approval,
  };
}

/** Return what a draft changes of another, and nothing else. */
export function changesOf(before: ServerDraft, after: ServerDraft): Schemas["McpServerPatch"] {
  const all: Schemas["McpServerPatch"] = {
    ...after,
    description: after.description === "" ? null : after.description,
    headers: isSame(after.headers, {}) ? null : (after.headers ?? null),
  };
  const same = FIELDS.filter((field) => isSame(before[field], after[field]));
  for (const field of same) delete all[field];
  return all;
}

/** Return the request that adds a server, without what is not set. */
export function inputOf(draft: ServerDraft): Schemas["McpServerInput"] {
  return { ...changesOf(EMPTY, draft), name: draft.name, url: draft.url };
}

const FIELDS = [
  "name",
  "description",
  "status",
  "auth",
  "type",
  "url",
  "headers",
  "allowed_tools",
  "require_approval",
] as const satisfies readonly (keyof ServerDraft)[];
