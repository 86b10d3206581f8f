import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import { AgentPicker } from "../src/parts/agents/AgentPicker";
import { CurrentForm } from "../src/parts/form/context";

// The client of the API takes `fetch` when it is loaded, so this comes before all imports.
vi.hoisted(() => {
  const page = { data: [], total: 0, offset: 0, limit: 20 };
  vi.stubGlobal("fetch", async () => Response.json(page));
});

afterEach(cleanup);

it("the choice of an agent says what the server finds wrong with it", () => {
  const problems = new Map([["subject_id", "there is no such agent"]]);
  render(
    <QueryClientProvider client={new QueryClient()}>
      <CurrentForm value={{ problems, report: () => {} }}>
        <AgentPicker
          label="Agent"
          name="subject_id"
          placeholder="Choose an agent"
          value={null}
          onChange={() => {}}
        />
      </CurrentForm>
    </QueryClientProvider>,
  );
  const field = screen.getByRole("combobox", { name: "Agent" });
  expect(field.getAttribute("aria-invalid")).toBe("true");
  const described = field.getAttribute("aria-describedby") ?? "";
  expect(document.getElementById(described)?.textContent).toBe("there is no such agent");
});
