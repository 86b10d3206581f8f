import { describe, expect, it } from "vitest";
import type { Schemas } from "../src/api/client";
import { dayBefore, daysBetween } from "../src/parts/days";
import { waitsIn } from "../src/parts/waits";
import { firstModel } from "../src/start/queries";

const NOW = "2026-12-01T00:00:00Z";

function model(
  name: string,
  type: Schemas["OfferedModel"]["provider_type"],
  isDefault = false,
): Schemas["OfferedModel"] {
  return {
    id: `model_${name}`,
    model_id: name,
    display_name: name,
    provider_id: "provider_1",
    provider_name: "work",
    provider_type: type,
    source: "predefined",
    enabled: true,
    healthy: true,
    is_default: isDefault,
    is_favorite: false,
    created_at: NOW,
    updated_at: NOW,
  };
}

function wait(type: Schemas["Wait"]["type"], name: string): Schemas["Wait"] {
  return { type, name, tool_call_id: name, since: NOW, on_timeout: "error" };
}

function session(waits: Schemas["Wait"][]): Schemas["Session"] {
  return {
    id: "session_1",
    status: "waitingfortoolresults",
    usage: { input_tokens: 0, output_tokens: 0 },
    harness_id: "harness_1",
    organization_id: "org_1",
    workspace_id: "workspace_1",
    created_at: NOW,
    updated_at: NOW,
    waiting_for: waits,
  };
}

describe("the first model", () => {
  it("is the local one, which needs no key, even if another is the default", () => {
    const models = [model("large", "openai", true), model("small", "local")];
    expect(firstModel(models)?.model_id).toBe("small");
  });

  it("is the default one, if none is local", () => {
    const models = [model("other", "openai"), model("large", "openai", true)];
    expect(firstModel(models)?.model_id).toBe("large");
  });

  it("is none, if there are none", () => {
    expect(firstModel([])).toBeUndefined();
  });
});

describe("what a session waits for", () => {
  it.each([
    [[], ""],
    [[wait("approval", "delete_file")], "approval of delete_file"],
    [[wait("question", "ask_user")], "an answer"],
    [[wait("tool_call", "open_map"), wait("approval", "x")], "the result of open_map and 1 more"],
  ])("%j reads %s", (waits, words) => {
    expect(waitsIn(session(waits))).toBe(words);
  });
});

describe("days", () => {
  it("are those of UTC", () => {
    expect(dayBefore(new Date("2026-03-01T23:30:00-05:00"), 1)).toBe("2026-03-01");
  });

  it("follow each other over the end of a February", () => {
    expect(daysBetween("2028-02-28", "2028-03-01")).toEqual([
      "2028-02-28",
      "2028-02-29",
      "2028-03-01",
    ]);
  });
});
