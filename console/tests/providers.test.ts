import { describe, expect, it } from "vitest";
import type { Schemas } from "../src/api/client";
import { Failure } from "../src/api/failures";
import { draftOf, emptyDraft, providerInput, providerPatch } from "../src/providers/draft";
import { providerProblems } from "../src/providers/problems";

const PROVIDER: Schemas["Provider"] = {
  id: "provider_1",
  name: "house",
  provider_type: "openai",
  base_url: "http://127.0.0.1:8000/v1",
  api_key_set: true,
  headers: ["x-team"],
  is_default: false,
  status: "active",
  settings: { dialect: "vllm" },
  created_at: "2026-12-01T00:00:00Z",
  updated_at: "2026-12-01T00:00:00Z",
};

describe("a new provider", () => {
  it("is sent without what was left empty", () => {
    expect(providerInput(emptyDraft("openai"))).toEqual({
      name: "openai",
      provider_type: "openai",
    });
  });

  it("is sent with what was filled in", () => {
    const draft = {
      ...emptyDraft("azure_openai"),
      baseUrl: " https://host/v1 ",
      apiKey: "secret",
      headers: [
        { name: "x-team", value: "a" },
        { name: "", value: "left over" },
      ],
      models: ["one", "two"],
      settings: { api: "responses" },
      isDefault: true,
    };
    expect(providerInput(draft)).toEqual({
      name: "azure",
      provider_type: "azure_openai",
      base_url: "https://host/v1",
      api_key: "secret",
      headers: { "x-team": "a" },
      models: [{ model_id: "one" }, { model_id: "two" }],
      settings: { api: "responses" },
      is_default: true,
    });
  });
});

describe("a changed provider", () => {
  const draft = draftOf(PROVIDER);

  it("sends nothing, if nothing differs", () => {
    expect(providerPatch(PROVIDER, draft)).toEqual({});
  });

  it("sends what differs, and nothing else", () => {
    expect(providerPatch(PROVIDER, { ...draft, name: "home" })).toEqual({ name: "home" });
  });

  it("keeps its key and headers unless they are replaced or removed", () => {
    expect(providerPatch(PROVIDER, { ...draft, apiKey: null, headers: null })).toEqual({
      api_key: null,
      headers: null,
    });
    expect(
      providerPatch(PROVIDER, { ...draft, apiKey: "new", headers: [{ name: "x-a", value: "b" }] }),
    ).toEqual({ api_key: "new", headers: { "x-a": "b" } });
  });

  it("loses its address and settings, if their fields are emptied", () => {
    expect(providerPatch(PROVIDER, { ...draft, baseUrl: "", settings: undefined })).toEqual({
      base_url: null,
      settings: {},
    });
  });
});

it("says beside a field what only its type finds wrong", () => {
  const error = new Failure(
    "INVALID_REQUEST",
    "The provider's settings are not valid. base_url: is required",
    400,
  );
  expect([...providerProblems(error)]).toEqual([["base_url", "is required"]]);
});
