/** A provider while it is edited, and which of its fields are sent. */

import type { Schemas } from "../api/client";
import { type Header, headersOnWire } from "../parts/form/HeadersField";
import { isObject, isSame } from "../parts/json";
import type { ProviderType } from "./kinds";

/** What is in the fields. */
export interface Draft {
  type: ProviderType;
  name: string;
  baseUrl: string;
  /** The new key; null to remove it, undefined to keep what there is. */
  apiKey: string | null | undefined;
  /** The new headers; null to remove them, undefined to keep what there is. */
  headers: Header[] | null | undefined;
  /** Names of models; those of an existing provider are kept elsewhere. */
  models: string[];
  settings: unknown;
  isDefault: boolean;
}

/** Return the fields of a provider that is not there yet. */
export function emptyDraft(type: ProviderType): Draft {
  return {
    type,
    name: type === "azure_openai" ? "azure" : type,
    baseUrl: "",
    apiKey: undefined,
    headers: undefined,
    models: [],
    settings: undefined,
    isDefault: false,
  };
}

/** Return the fields of a provider. Its secrets are not among them. */
export function draftOf(provider: Schemas["Provider"]): Draft {
  return {
    type: provider.provider_type,
    name: provider.name,
    baseUrl: provider.base_url ?? "",
    apiKey: undefined,
    headers: undefined,
    models: [],
    settings: hasSettings(provider) ? provider.settings : undefined,
    isDefault: provider.is_default,
  };
}

/** Return what is sent to add a provider. */
export function providerInput(draft: Draft): Schemas["ProviderInput"] {
  const input: Schemas["ProviderInput"] = { name: draft.name.trim(), provider_type: draft.type };
  if (draft.baseUrl.trim() !== "") input.base_url = draft.baseUrl.trim();
  if (typeof draft.apiKey === "string") input.api_key = draft.apiKey;
  if (draft.headers != null && draft.headers.length > 0) {
    input.headers = headersOnWire(draft.headers);
  }
  if (draft.models.length > 0) input.models = draft.models.map((model_id) => ({ model_id }));
  if (isObject(draft.settings)) input.settings = draft.settings;
  if (draft.isDefault) input.is_default = true;
  return input;
}

/** Return what is sent to change a provider: what differs, and nothing else. */
export function providerPatch(
  provider: Schemas["Provider"],
  draft: Draft,
): Schemas["ProviderPatch"] {
  const before = draftOf(provider);
  const patch: Schemas["ProviderPatch"] = {};
  if (draft.name !== before.name) patch.name = draft.name.trim();
  if (draft.baseUrl !== before.baseUrl) patch.base_url = draft.baseUrl.trim() || null;
  if (draft.apiKey !== undefined) patch.api_key = draft.apiKey;
  if (draft.headers !== undefined) {
    patch.headers = draft.headers === null ? null : headersOnWire(draft.headers);
  }
  if (!isSame(draft.settings, before.settings)) {
    patch.settings = isObject(draft.settings) ? draft.settings : {};
  }
  return patch;
}

function hasSettings(provider: Schemas["Provider"]): boolean {
  return Object.keys(provider.settings ?? {}).length > 0;
}
