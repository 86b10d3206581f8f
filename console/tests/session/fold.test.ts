/** What screens get of a session's log. */

import { describe, expect, it } from "vitest";
import type { ToolCallItem } from "../../src/session/log/callTypes";
import { EMPTY, withEvents, withListed } from "../../src/session/log/fold";
import type { Item } from "../../src/session/log/itemTypes";
import { withPassing } from "../../src/session/log/passing";
import type { Transcript, Turn } from "../../src/session/log/types";
import { delta, LogWriter, progress } from "./events";
import { recorded } from "./sharedLogs";

function folded(log: LogWriter): Transcript {
  return withEvents(EMPTY, log.events);
}

function turnsOf({ past, current }: Transcript): readonly Turn[] {
  return current ? [...past, current] : past;
}

function itemsOf(transcript: Transcript): readonly Item[] {
  return turnsOf(transcript).flatMap((turn) => turn.items);
}

function callIn(transcript: Transcript, id: string): ToolCallItem {
  const call = itemsOf(transcript).find((item) => item.key === id);
  if (call?.kind !== "tool_call") throw new Error(`no call ${id}`);
  return call;
}

describe("a turn", () => {
  it("has its items in the order of the log, calls after the answer that makes them", () => {
    const log = new LogWriter().begin().answer("a", "I look.", { one: "look", two: "work" });
    log.call("two", "work").steer("s").result("two", "work").result("one", "look").answer("b");
    const [turn] = folded(log.complete()).past;
    expect(turn?.items.map(({ kind, key }) => `${kind} ${key}`)).toEqual([
      "user message_of_turn_1",
      "answer a",
      "tool_call one",
      "tool_call two",
      "user s",
      "answer b",
    ]);
    expect(turn).toMatchObject({ id: "turn_1", iterations: 2, isOpen: false });
    expect(turn?.usage).toEqual({ input_tokens: 20, output_tokens: 4, estimated_cost_usd: 1 });
  });

  it("knows which messages steer it", () => {
    const items = itemsOf(folded(new LogWriter().begin().steer("s")));
    expect(items.map((item) => item.kind === "user" && item.steers)).toEqual([false, true]);
  });

  it("keeps its key from the user's message to its end", () => {
    const { events } = new LogWriter().begin().answer("a").complete();
    const keys = events.map((_, at) => {
      const transcript = withEvents(EMPTY, events.slice(0, at + 1));
      return turnsOf(transcript).map((turn) => turn.key);
    });
    expect(new Set(keys.flat())).toEqual(new Set(["turn_1"]));
  });

  it("says why it failed and what its interrupted model call has used", () => {
    const transcript = withEvents(EMPTY, recorded("retried-failure").events);
    const [failed, retried] = transcript.past;
    expect(failed?.outcome).toMatchObject({ kind: "failed", code: "PROVIDER_REJECTED" });
    expect(failed?.retriedBy).toBe(retried?.id);
    expect(retried?.retryOf).toBe(failed?.id);
    expect(failed?.items.map((item) => item.isSuperseded)).toEqual([false, true, true, true]);
  });

  it("keeps what was written of a cancelled answer", () => {
    const transcript = withEvents(EMPTY, recorded("cancelled-turns").events);
    const [first, second] = transcript.past;
    expect(first?.outcome).toMatchObject({ kind: "cancelled", reason: "Enough." });
    expect(first?.items.at(-1)).toMatchObject({ kind: "answer", isIncomplete: true });
    expect(second?.items.at(-1)).toMatchObject({ kind: "tool_call", state: "ended" });
    expect(transcript.activity).toEqual({ kind: "cancelled" });
  });

  it("abandons calls that have no result when it ends", () => {
    const log = new LogWriter().begin().answer("a", "", { one: "work" }).call("one", "work");
    expect(callIn(folded(log.complete()), "one").state).toBe("abandoned");
  });

  it("shows a compaction from its announcement to its end", () => {
    const { events } = recorded("compaction");
    const announced = events.findIndex((event) => event.type === "context.compacting");
    const during = withEvents(EMPTY, events.slice(0, announced + 1));
    expect(during.activity.kind).toBe("compacting");
    expect(during.current?.items.at(-1)).toMatchObject({ kind: "compaction", state: "running" });
    const after = withEvents(EMPTY, events);
    const done = itemsOf(after).filter((item) => item.kind === "compaction");
    expect(done.map((item) => item.state)).toEqual(done.map(() => "done"));
    expect(done[0]).toMatchObject({ strategy: "summarization", error: null });
  });

  it("shows that a session is a fork, of which only its own turns count", () => {
    const transcript = withEvents(EMPTY, recorded("fork").events);
    const kinds = transcript.past.map((turn) => turn.items.map((item) => item.kind).join(" "));
    expect(kinds.at(-2)).toBe("fork");
    expect(transcript.usage).toEqual(transcript.past.at(-1)?.usage);
  });

  it("has structured values, and what was wrong with those that are none", () => {
    const answers = itemsOf(withEvents(EMPTY, recorded("structured-answers").events));
    const outputs = answers.flatMap((item) => (item.kind === "answer" ? [item.output] : []));
    expect(outputs[0]).toMatchObject({ kind: "error" });
    expect(outputs[1]).toEqual({ kind: "value", value: { city: "Paris" } });
  });
});

describe("a tool call", () => {
  it("goes from the answer through its run to its result", () => {
    const log = new LogWriter().begin().answer("a", "", { one: "work" });
    const states = [callIn(folded(log), "one").state];
    states.push(callIn(folded(log.call("one", "work")), "one").state);
    const ended = callIn(folded(log.result("one", "work", { result: { n: 7 } })), "one");
    expect([...states, ended.state]).toEqual(["requested", "running", "ended"]);
    expect(ended).toMatchObject({
      arguments: { of: "one" },
      messageId: "a",
      runs: 1,
      result: { succeeded: true, value: { n: 7 }, error: null, durationMs: 5 },
    });
  });

  it("shows how far it is until its state changes", () => {
    const log = new LogWriter().begin().answer("a", "", { one: "work" }).call("one", "work");
    const working = withPassing(folded(log), [progress("one", "a half"), progress("one", "most")]);
    expect(callIn(working, "one").progress).toBe("most");
    log.result("one", "work");
    expect(callIn(withEvents(working, [log.last]), "one").progress).toBeNull();
  });

  it("has who decided about it, and why", () => {
    const transcript = withEvents(EMPTY, recorded("approvals").events);
    const decisions = itemsOf(transcript).flatMap((item) =>
      item.kind === "tool_call" && item.approval ? [item.approval] : [],
    );
    expect(decisions.map(({ state, isForAlways, reason }) => [state, isForAlways, reason])).toEqual(
      [
        ["allowed", false, null],
        ["rejected", false, "Keep it."],
        ["rejected", true, null],
        ["rejected", true, null],
      ],
    );
    expect(decisions.every((decision) => decision.decidedBy?.kind === "operator")).toBe(true);
  });

  it("has its questions with the answers, or that nobody gave any", () => {
    const rounds = itemsOf(withEvents(EMPTY, recorded("questions").events)).flatMap((item) =>
      item.kind === "tool_call" ? item.questions : [],
    );
    expect(rounds[0]?.questions[0]?.options.map((option) => option.isRecommended)).toEqual([
      true,
      false,
    ]);
    expect(rounds.map(({ answers, unanswered }) => [answers?.status, unanswered])).toEqual([
      ["answered", null],
      ["declined", null],
      [undefined, "superseded"],
    ]);
    expect(rounds[0]?.answers?.answers).toEqual([
      { id: "format", selected: ["HTML"], otherText: null },
      { id: "note", selected: [], otherText: "In blue." },
    ]);
  });

  it("takes recommendations in the end if an older log does not say what happens then", () => {
    const log = new LogWriter().begin().answer("a", "", { one: "ask_user", two: "door" });
    const questions = [{ id: "q", question: "Why?", kind: "text" }];
    const tool_call = { id: "one", name: "ask_user", arguments: { questions } };
    log.call("one", "ask_user", { client_side: true, tool_call });
    const { waits } = folded(log.call("two", "door", { client_side: true }));
    expect(waits.map(({ type, on_timeout }) => [type, on_timeout])).toEqual([
      ["question", "recommendation"],
      ["tool_call", "error"],
    ]);
  });

  it("sleeps, asks and goes on under its own name and arguments", () => {
    const { events } = recorded("suspended-calls");
    const seen = events.map((_, at) => {
      const call = itemsOf(withEvents(EMPTY, events.slice(0, at + 1))).find(
        (item) => item.key === "call_1",
      );
      return call?.kind === "tool_call" ? call.state : null;
    });
    expect(seen.filter((state, at) => state !== seen[at - 1])).toEqual([
      null,
      "requested",
      "running",
      "suspended",
      "asking",
      "requested",
      "running",
      "sleeping",
      "requested",
      "running",
      "ended",
    ]);
    const call = callIn(withEvents(EMPTY, events), "call_1");
    expect(call).toMatchObject({ name: "order", arguments: { what: "tea" }, runs: 3 });
    expect(call.questions[0]?.answers?.answers[0]?.selected).toEqual(["small"]);
  });

  it("ends the same for a reader who may not see how its tool suspended it", () => {
    const { events } = recorded("suspended-calls");
    const shown = events.filter((event) => event.type !== "tool.suspended");
    const all = callIn(withEvents(EMPTY, events), "call_1");
    expect(callIn(withListed(EMPTY, shown), "call_1")).toEqual(all);
  });

  it("is known from what came of it when its answer is not loaded", () => {
    const { events } = new LogWriter()
      .begin()
      .answer("a", "", { one: "work" })
      .call("one", "work")
      .result("one", "work", { success: false, error: "No." });
    const call = callIn(withListed(EMPTY, events.slice(-1)), "one");
    expect(call).toMatchObject({ name: "work", arguments: null, result: { error: "No." } });
  });
});

describe("what a session does", () => {
  it("waits with the kind, the deadline and the decider", () => {
    const { activity, status } = withEvents(EMPTY, recorded("open-waits").events);
    expect(status).toBe("waitingfortoolresults");
    if (activity.kind !== "waiting") throw new Error(activity.kind);
    expect(activity.waits.map(({ type, decided_by }) => [type, decided_by])).toEqual([
      ["tool_call", undefined],
      ["approval", "end_user"],
    ]);
    expect(activity.waits.every((wait) => wait.expires_at)).toBe(true);
  });

  it("thinks, writes, runs a tool and is idle again", () => {
    const log = new LogWriter().begin();
    let transcript = folded(log);
    const seen = [transcript.activity];
    transcript = withPassing(transcript, [delta("a", 0, "Let me")]);
    seen.push(transcript.activity);
    log.answer("a", "Let me see.", { one: "work" }).call("one", "work");
    transcript = withEvents(transcript, log.events);
    seen.push(transcript.activity);
    log.result("one", "work").answer("b").complete();
    seen.push(withEvents(transcript, log.events).activity);
    expect(seen).toEqual([
      { kind: "thinking", sinceMs: Date.parse("2026-01-31T10:00:02.000Z") },
      { kind: "writing", sinceMs: Date.parse("2026-01-31T10:00:00.000Z") },
      {
        kind: "running",
        calls: [{ callId: "one", name: "work", sinceMs: Date.parse("2026-01-31T10:00:04.000Z") }],
      },
      { kind: "idle" },
    ]);
  });
});
