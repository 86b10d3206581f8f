import { describe, expect, it } from "vitest";
import {
  type Filters,
  filtersIn,
  isFiltered,
  pathOf,
  queryOf,
  searchOf,
} from "../src/sessions/filters";
import type { Session } from "../src/sessions/queries";
import { stateOf } from "../src/sessions/state";

const NOW = new Date("2026-01-31T10:00:00Z");
const AGENT = `agent_${"0".repeat(32)}`;

describe("Filters of sessions", () => {
  it.each<Filters>([
    { page: 1 },
    { page: 3, search: "report" },
    { page: 1, status: "active" },
    { page: 1, waiting: "approval" },
    { page: 2, outcome: "failed", agent: AGENT, since: "24h" },
  ])("are the same after a way through the address: %j", (filters) => {
    expect(filtersIn(searchOf(filters))).toEqual(filters);
  });

  it("leave the first page out of the address", () => {
    expect(searchOf({ page: 1, status: "idle" })).toEqual({ status: "idle" });
  });

  it("are without what makes no sense in an address", () => {
    const address = {
      status: "asleep",
      waiting: "x",
      outcome: "odd",
      agent: "me",
      since: "1y",
      page: "-2",
    };
    expect(filtersIn(address)).toEqual({ page: 1 });
  });

  it.each(["0", "1.5", "many", "1e99"])("take the page %s for the first one", (page) => {
    expect(filtersIn({ page }).page).toBe(1);
  });

  it("cut a text to what the server takes", () => {
    expect(filtersIn({ search: "x".repeat(300) }).search).toHaveLength(256);
  });

  it("leave sessions out if there is any, whatever the page", () => {
    expect(isFiltered({ page: 7 })).toBe(false);
    expect(isFiltered({ page: 1, status: "idle" })).toBe(true);
  });

  it("ask the server for one page, the latest change first", () => {
    expect(queryOf({ page: 3 }, NOW)).toEqual({ sort: "updated", limit: 50, offset: 100 });
  });

  it("ask the server in its own words", () => {
    expect(queryOf({ page: 1, outcome: "failed", agent: AGENT, since: "1h" }, NOW)).toMatchObject({
      last_outcome: "failed",
      agent_id: AGENT,
      updated_after: "2026-01-31T09:00:00.000Z",
    });
  });

  it("are a path for the terminal", () => {
    expect(pathOf({ page: 1, search: "a b" }, NOW)).toBe(
      "/v1/sessions?sort=updated&limit=50&search=a+b",
    );
  });
});

describe("The state of a session", () => {
  const session: Session = {
    id: `session_${"0".repeat(32)}`,
    status: "idle",
    created_at: "2026-01-31T09:00:00.000Z",
    updated_at: "2026-01-31T09:00:00.000Z",
    capabilities: [],
    harness_id: "",
    mcp_servers: {},
    metadata: {},
    organization_id: "",
    tags: [],
    tools: [],
    usage: { input_tokens: 0, output_tokens: 0 },
    waiting_for: [],
    workspace_id: "",
  };
  const wait = { since: "", on_timeout: "error", tool_call_id: "" } as const;

  it("is what it waits for, before anything else", () => {
    const waits = [
      { ...wait, type: "approval", name: "delete_file" } as const,
      { ...wait, type: "question", name: "ask_user" } as const,
    ];
    expect(stateOf({ ...session, status: "waitingfortoolresults", waiting_for: waits })).toEqual({
      words: "waits for approval of delete_file and 1 more",
      tone: "waits",
    });
  });

  it("is how its last turn ended, while nothing goes on", () => {
    expect(stateOf({ ...session, last_outcome: "failed" }).words).toBe("failed");
    expect(stateOf({ ...session, last_outcome: "completed" }).words).toBe("idle");
  });

  it("is running while a turn runs", () => {
    expect(stateOf({ ...session, status: "active" })).toEqual({ words: "running", tone: "busy" });
  });
});
