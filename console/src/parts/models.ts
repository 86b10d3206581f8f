/** How models are named. */

import type { Schemas } from "../api/client";

/** A model that an active provider offers. */
export type Model = Schemas["OfferedModel"];

/** Return the name by which agents and messages choose a model; a new provider can take it over. */
export function qualifiedName(model: Model): string {
  return `${model.provider_name}/${model.model_id}`;
}

/** Return the model that is named by its id or its qualified name. */
export function modelNamed(
  name: string | undefined,
  models: readonly Model[] | undefined,
): Model | undefined {
  return models?.find((model) => model.id === name || qualifiedName(model) === name);
}
