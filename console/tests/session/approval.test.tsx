import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ToolCard } from "../../src/session/chat/ToolCard";
import { FollowedSession } from "../../src/session/followed";
import { SessionFollower } from "../../src/session/follower";
import type { ToolCallItem } from "../../src/session/log/callTypes";
import { EMPTY, withListed } from "../../src/session/log/fold";
import { LogWriter } from "./events";

const DANGEROUS = { path: "/old\u202etxt.exe", recursive: true };

// The client of the API takes `fetch` when it is loaded, so this comes before all imports.
const server = vi.hoisted(() => {
  const state = { sent: [] as { url: string; body: unknown }[], answer: () => new Response() };
  vi.stubGlobal("fetch", async (request: Request) => {
    state.sent.push({ url: new URL(request.url).pathname, body: await request.json() });
    return state.answer();
  });
  return state;
});

beforeEach(() => {
  server.sent = [];
  server.answer = () => Response.json({ accepted: 1, already_stored: 0, session_status: "active" });
});

afterEach(cleanup);

/** Two calls of one answer that are both held. */
function heldCalls(): ToolCallItem[] {
  const log = new LogWriter().begin().answer("message_a", "", { one: "delete", two: "delete" });
  for (const id of ["one", "two"]) {
    log.write("tool.approval", {
      tool_call_id: id,
      name: "delete",
      status: "requested",
      tool_call: { id, name: "delete", arguments: DANGEROUS },
      message_id: "message_a",
      decided_by: { kind: "operator" },
    });
  }
  return callsIn(log);
}

function callsIn({ events }: LogWriter): ToolCallItem[] {
  const items = withListed(EMPTY, events).current?.items ?? [];
  return items.filter((item) => item.kind === "tool_call");
}

const follower = new SessionFollower({ sessionId: "session_1", headers: () => ({}) });
const queries = new QueryClient();

function shown(calls: readonly ToolCallItem[]) {
  return (
    <QueryClientProvider client={queries}>
      <FollowedSession sessionId="session_1" follower={follower}>
        {calls.map((call) => (
          <ToolCard key={call.key} item={call} />
        ))}
      </FollowedSession>
    </QueryClientProvider>
  );
}

function show(calls: readonly ToolCallItem[]) {
  return render(shown(calls));
}

function secondCard(): HTMLElement {
  const card = screen.getAllByText(/^May/)[1]?.closest("section");
  if (!card) throw new Error("the second call does not ask");
  return card;
}

describe("a held call", () => {
  it("is allowed by one decision about this call alone, however often it is pressed", async () => {
    show(heldCalls());
    const [, allow] = screen.getAllByRole("button", { name: "Allow a" });
    if (allow === undefined) throw new Error("the second call cannot be allowed");
    fireEvent.click(allow);
    fireEvent.click(allow);
    await waitFor(() => expect(server.sent).toHaveLength(1));
    fireEvent.click(allow);
    expect(server.sent).toEqual([
      {
        url: "/v1/sessions/session_1/tool-approvals",
        body: { decisions: [{ tool_call_id: "two", decision: "allow" }] },
      },
    ]);
  });

  it("is rejected by a key on its card, with the reason that was written", async () => {
    show(heldCalls());
    const card = secondCard();
    const field = card.querySelector("input");
    if (field === null) throw new Error("there is no field for a reason");
    fireEvent.change(field, { target: { value: "too old" } });
    fireEvent.keyDown(field, { key: "a" });
    expect(server.sent).toEqual([]);
    fireEvent.keyDown(card, { key: "r" });
    await waitFor(() => expect(server.sent).toHaveLength(1));
    expect(server.sent[0]?.body).toEqual({
      decisions: [{ tool_call_id: "two", decision: "reject", reason: "too old" }],
    });
  });

  it("shows its exact arguments, with controls of the direction made visible", () => {
    show(heldCalls());
    expect(secondCard().querySelector("pre")?.textContent).toBe(
      JSON.stringify(DANGEROUS, null, 2).replace("\u202e", "[U+202E]"),
    );
  });

  it("says why the server refuses a decision, and can be decided again", async () => {
    server.answer = () =>
      Response.json({ error: { code: "CALL_CLOSED", message: "Too late." } }, { status: 409 });
    show(heldCalls().slice(0, 1));
    fireEvent.click(screen.getByRole("button", { name: "Allow a" }));
    expect((await screen.findByRole("alert")).textContent).toContain("CALL_CLOSED Too late.");
    fireEvent.click(screen.getByRole("button", { name: "Reject r" }));
    await waitFor(() => expect(server.sent).toHaveLength(2));
  });

  it("says who decided, and why", () => {
    const log = new LogWriter().begin().answer("message_a", "", { one: "delete" });
    log.write("tool.approval", {
      tool_call_id: "one",
      name: "delete",
      status: "rejected",
      decided_by: { kind: "end_user", name: "alice" },
      reason: "not yet",
    });
    show(callsIn(log));
    expect(screen.getByText(/Rejected/).textContent).toMatch(/^Rejected by alice, .*: “not yet”$/);
    expect(screen.queryByRole("button", { name: "Allow a" })).toBeNull();
  });
});

describe("the focus in a request", () => {
  it("goes on to the next request when this one is done", () => {
    const [first, second] = heldCalls();
    if (!first || !second) throw new Error("two calls are held");
    const { rerender } = render(shown([first, second]));
    screen.getAllByText(/^May/)[0]?.closest("section")?.focus();
    rerender(shown([withoutWait(first), second]));
    expect(document.activeElement).toBe(screen.getByText(/^May/).closest("section"));
    rerender(shown([first, second].map(withoutWait)));
    expect(document.activeElement?.getAttribute("aria-label")).toBe("Tool call delete");
  });
});

function withoutWait(call: ToolCallItem): ToolCallItem {
  return { ...call, wait: null, state: "running" };
}
