import { describe, expect, it } from "vitest";
import { type Agent, changesOf, type Draft, draftOf, EMPTY, inputOf } from "../src/agents/draft";
import { readFile } from "../src/agents/files";
import { modelGroups, modelName } from "../src/agents/models";
import { agentProblems } from "../src/agents/problems";
import { Failure } from "../src/api/failures";

const AGENT: Agent = {
  id: "agent_01a22f4044407ac9ab31e1968c815ed2",
  harness_id: "harness_1",
  name: "clerk",
  status: "active",
  system_prompt: "You are careful.",
  created_at: "2026-01-01T00:00:00.000Z",
  updated_at: "2026-01-01T00:00:00.000Z",
  description: "Adds numbers",
  tags: ["demo"],
  capabilities: [{ ref: "ask_user", config: { timeout_seconds: 60 } }, { ref: "test_math" }],
  controls: { temperature: 0.5 },
  max_iterations: 30,
  tools: [
    {
      name: "show_map",
      description: "Show a map",
      parameters: { type: "object" },
      policy: "auto",
      type: "client_side",
    },
  ],
  mcp_servers: {
    desk: {
      url: "https://desk.example.com/mcp",
      type: "http",
      headers: { authorization: "***" },
      require_approval: "never",
    },
  },
};
const SAVED = draftOf(AGENT);

/** A change of each field, and what is sent for it. */
const CHANGES: [field: keyof Draft, value: Partial<Draft>, sent: unknown][] = [
  ["name", { name: "talker" }, "talker"],
  ["display_name", { display_name: "The clerk" }, "The clerk"],
  ["description", { description: "" }, null],
  ["system_prompt", { system_prompt: "" }, ""],
  ["default_model_id", { default_model_id: "plain/simulated-1" }, "plain/simulated-1"],
  ["tags", { tags: [] }, []],
  ["capabilities", { capabilities: [{ ref: "test_math" }] }, [{ ref: "test_math" }]],
  ["tools", { tools: [] }, []],
  ["controls", { controls: {} }, null],
  [
    "client_tool_wait",
    { client_tool_wait: { timeout_seconds: "never" } },
    { timeout_seconds: "never" },
  ],
  ["max_iterations", { max_iterations: undefined }, null],
  ["parallel_tool_calls", { parallel_tool_calls: false }, false],
  [
    "initial_files",
    { initial_files: [{ path: "/a", content: "" }] },
    [{ path: "/a", content: "" }],
  ],
  ["mcp_servers", { mcp_servers: {} }, {}],
];

describe("saving an agent", () => {
  it("sends nothing where nothing is different", () => {
    expect(changesOf(SAVED, draftOf(AGENT))).toEqual({});
    expect(changesOf(SAVED, { ...SAVED, controls: { temperature: 0.5 } })).toEqual({});
  });

  it.each(CHANGES)("sends of a change of %s this field alone", (field, change, sent) => {
    expect(changesOf(SAVED, { ...SAVED, ...change })).toEqual({ [field]: sent });
  });

  it("has such a change in this table for each field", () => {
    expect(CHANGES.map(([field]) => field).sort()).toEqual(Object.keys(EMPTY).sort());
  });

  it("keeps what the page does not know inside of a field that changes", () => {
    const unknown = { temperature: 0.5, later_option: 1 };
    const before: Draft = { ...SAVED, controls: unknown };
    const after: Draft = { ...before, controls: { ...before.controls, temperature: 1 } };
    expect(changesOf(before, after)).toEqual({
      controls: { temperature: 1, later_option: 1 },
    });
  });

  it("sends of a new agent what is set", () => {
    expect(inputOf({ ...EMPTY, name: "clerk" })).toEqual({ name: "clerk" });
    expect(inputOf({ ...EMPTY, name: "clerk", tags: ["demo"], max_iterations: 3 })).toEqual({
      name: "clerk",
      tags: ["demo"],
      max_iterations: 3,
    });
    expect(inputOf(EMPTY)).toEqual({ name: "" });
  });
});

describe("a refused agent", () => {
  function problemsOf(message: string, code = "INVALID_REQUEST") {
    return [...agentProblems(new Failure(code, message, 400))];
  }

  it.each([
    [
      "Capability ask_user: Setting 'on_timeout' must be one of: error, recommendation",
      "capabilities.ask_user.on_timeout",
      "Setting 'on_timeout' must be one of: error, recommendation",
    ],
    [
      "Capability mcp:tickets: Setting 'allowed_tools[2]' must be a text",
      "capabilities.mcp:tickets.allowed_tools.2",
      "Setting 'allowed_tools[2]' must be a text",
    ],
    [
      "Capability tool_search: Unknown setting: max",
      "capabilities.tool_search.max",
      "Unknown setting: max",
    ],
    ["Capability ask_user: nobody knows", "capabilities.ask_user", "nobody knows"],
  ])("shows %j at the capability", (message, path, words) => {
    expect(problemsOf(message)).toContainEqual([path, words]);
  });

  it("shows an option that the model does not take at the option", () => {
    const message = "Model work/gpt-5 takes no temperature. Leave it out.";
    expect(problemsOf(message)).toEqual([["controls.temperature", message]]);
  });

  it("shows an unknown model at the model", () => {
    expect(problemsOf("Model x is not offered", "UNKNOWN_MODEL")).toEqual([
      ["default_model_id", "Model x is not offered"],
    ]);
  });

  it("shows problems of fields at the fields", () => {
    expect(problemsOf("tools.0.name: is required")).toEqual([["tools.0.name", "is required"]]);
    expect([...agentProblems(null)]).toEqual([]);
  });
});

describe("a file of this computer", () => {
  it("is text if it is UTF-8", async () => {
    const file = new File(["Grüße 🌍\n"], "note.md");
    expect(await readFile(file)).toEqual({
      path: "/note.md",
      content: "Grüße 🌍\n",
      encoding: "text",
    });
  });

  it.each([
    ["no UTF-8", [0xff, 0xfe, 0x41], "//5B"],
    ["NUL", [0x41, 0x00], "QQA="],
  ])("is base64 if it has %s", async (_what, bytes, content) => {
    const file = new File([new Uint8Array(bytes)], "a.bin");
    expect(await readFile(file)).toEqual({ path: "/a.bin", content, encoding: "base64" });
  });
});

describe("models", () => {
  const model = {
    id: "model_1",
    model_id: "small-1",
    display_name: "Small",
    provider_id: "provider_1",
    provider_name: "work",
    provider_type: "openai",
    created_at: "",
    updated_at: "",
    enabled: true,
    healthy: true,
    is_default: false,
    is_favorite: false,
    source: "manual",
    profile: {
      name: "small-1",
      open_weights: false,
      temperature: true,
      attachment: null,
      reasoning: null,
      structured_output: null,
      tool_call: true,
      limits: { context: 200_000 },
      cost: { input: 1.5, output: 6 },
    },
  } as const;

  it("are grouped by provider, with what is known of them", () => {
    expect(modelGroups([model], undefined)).toEqual([
      {
        label: "work",
        options: [
          {
            value: "work/small-1",
            label: "Small",
            detail: "200.0k context · $1.5 in, $6 out / M",
          },
        ],
      },
    ]);
  });

  it("keep the value by which the agent names its model", () => {
    expect(modelGroups([model], "model_1")[0]?.options[0]?.value).toBe("model_1");
    expect(modelName("model_1", [model])).toBe("work/small-1");
    expect(modelName("gone/model", [model])).toBe("gone/model");
    expect(modelName(null, [model])).toBe("default");
  });
});
