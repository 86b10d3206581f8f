import { describe, expect, it } from "vitest";
import { changesOf, draftOf, EMPTY, inputOf, type Server } from "../src/capabilities/servers/draft";

const SERVER: Server = {
  id: "mcpserver_1",
  name: "tickets",
  type: "http",
  url: "https://tickets.example.com/mcp",
  headers: { authorization: "***" },
  require_approval: ["close_ticket"],
  status: "active",
  auth: null,
};
const SAVED = draftOf(SERVER);

describe("saving an MCP server", () => {
  it("sends nothing where nothing is different", () => {
    expect(changesOf(SAVED, draftOf(SERVER))).toEqual({});
  });

  it("sends headers as a whole, and keeps the values that the server has", () => {
    const headers = { authorization: "***", "x-team": "desk" };
    expect(changesOf(SAVED, { ...SAVED, headers })).toEqual({ headers });
  });

  it("removes headers and descriptions with null", () => {
    expect(changesOf(SAVED, { ...SAVED, headers: {} })).toEqual({ headers: null });
    const described = { ...SAVED, description: "Tickets" };
    expect(changesOf(described, SAVED)).toEqual({ description: null });
  });

  it("sends of a new server what is set", () => {
    expect(inputOf({ ...EMPTY, name: "wiki", url: "https://wiki.example.com/mcp" })).toEqual({
      name: "wiki",
      url: "https://wiki.example.com/mcp",
    });
  });
});
