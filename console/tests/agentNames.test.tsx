import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import { useAgentNames } from "../src/parts/agents/queries";

const IDS = ["agent_1", "agent_2", "agent_3"];

// The client of the API takes `fetch` when it is loaded, so this comes before all imports.
const asked = vi.hoisted(() => {
  const queries: URLSearchParams[] = [];
  vi.stubGlobal("fetch", async ({ url }: Request) => {
    const query = new URL(url).searchParams;
    queries.push(query);
    // A page ends early if its agents are large.
    const found = query.getAll("id").map((id) => ({ id, name: `Name of ${id}` }));
    const offset = Number(query.get("offset"));
    const data = found.slice(offset, offset + 2);
    return Response.json({ data, total: found.length, offset, limit: data.length });
  });
  return queries;
});

afterEach(() => {
  cleanup();
  asked.length = 0;
});

function Names({ ids }: { ids: readonly string[] }) {
  const names = useAgentNames(ids);
  return ids.map((id) => names.get(id) ?? "").join(", ");
}

function show(ids: readonly string[]) {
  return render(
    <QueryClientProvider client={new QueryClient()}>
      <Names ids={ids} />
    </QueryClientProvider>,
  );
}

it("the names of agents are asked for together, each once", async () => {
  show(["agent_2", "agent_1", "agent_2"]);
  await screen.findByText("Name of agent_2, Name of agent_1, Name of agent_2");
  expect(asked.map((query) => query.getAll("id"))).toEqual([["agent_1", "agent_2"]]);
});

it("names that did not fit into a page are asked for, too", async () => {
  show(IDS);
  await screen.findByText(IDS.map((id) => `Name of ${id}`).join(", "));
  expect(asked.map((query) => query.get("offset"))).toEqual(["0", "2"]);
});

it("nothing is asked for without agents", () => {
  show([]);
  expect(asked).toEqual([]);
});
