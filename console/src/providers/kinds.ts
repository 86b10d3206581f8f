/** What a provider of each type is, and what it needs. */

import type { Schemas } from "../api/client";

export type ProviderType = Schemas["ProviderInput"]["provider_type"];

/** What somebody has to know to add a provider of a type. */
export interface Kind {
  type: ProviderType;
  label: string;
  about: string;
  /** What its address looks like; none if it has no address. */
  address: string | undefined;
  needsAddress: boolean;
  takesKey: boolean;
  /** What stands in the field of models that nobody has filled. */
  models: string;
}

export const KINDS: readonly Kind[] = [
  {
    type: "openai",
    label: "OpenAI, or a server that speaks its API",
    about:
      "Without an address it is OpenAI itself, and needs a key. With an address it is any server with Chat Completions, such as vLLM, Ollama, LiteLLM or OpenRouter; there the key is optional.",
    address: "http://127.0.0.1:11434/v1",
    needsAddress: false,
    takesKey: true,
    models: "gpt-5-mini",
  },
  {
    type: "anthropic",
    label: "Anthropic",
    about: "The Messages API. It needs a key.",
    address: "https://api.anthropic.com/v1",
    needsAddress: false,
    takesKey: true,
    models: "claude-sonnet-4-5",
  },
  {
    type: "azure_openai",
    label: "Azure OpenAI",
    about:
      "It needs the address of your resource, a key, and the names of your deployments as models.",
    address: "https://RESOURCE.openai.azure.com/openai/v1",
    needsAddress: true,
    takesKey: true,
    models: "my-deployment",
  },
  {
    type: "local",
    label: "A model on this machine",
    about: "It needs no key. The server must have been installed with the extra “local”.",
    address: undefined,
    needsAddress: false,
    takesKey: false,
    models: "",
  },
  {
    type: "simulated",
    label: "Simulated",
    about:
      "Not a model: it repeats what is sent, or follows the script in its settings. For tests and demonstrations.",
    address: undefined,
    needsAddress: false,
    takesKey: false,
    models: "simulated-1",
  },
];

/** Return the kind of a type; the first kind if the type is unknown. */
export function kindOf(type: string | undefined): Kind {
  const [first] = KINDS;
  if (first === undefined) throw new Error("There are no types of providers");
  return KINDS.find((kind) => kind.type === type) ?? first;
}
