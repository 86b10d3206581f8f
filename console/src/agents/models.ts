/** How models are named and grouped where one is chosen. */

import type { OptionGroup } from "../parts/form/SelectField";
import { brief } from "../parts/formats";
import { type Model, modelNamed, qualifiedName } from "../parts/models";

/** Return how to show the model that an agent names by its id or its qualified name. */
export function modelName(
  id: string | null | undefined,
  models: readonly Model[] | undefined,
): string {
  if (id === null || id === undefined) return "default";
  const model = models?.find((one) => one.id === id);
  return model === undefined ? id : qualifiedName(model);
}

/**
 * Return the models by provider, with what they can read and cost.
 *
 * @param models - All models.
 * @param named - What the agent calls its model now, which stays a model's value.
 */
export function modelGroups(
  models: readonly Model[],
  named: string | undefined,
): OptionGroup<string>[] {
  const chosen = modelNamed(named, models);
  const groups = new Map<string, OptionGroup<string>["options"][number][]>();
  for (const model of models) {
    const options = groups.get(model.provider_name) ?? [];
    const value = model === chosen && named !== undefined ? named : qualifiedName(model);
    options.push({ value, label: model.display_name, detail: factsOf(model) });
    groups.set(model.provider_name, options);
  }
  return [...groups].map(([label, options]) => ({ label, options }));
}

/** Return what is known of a model: its context, and its price for a million tokens. */
export function factsOf(model: Model): string | undefined {
  const facts: string[] = [];
  const context = model.profile?.limits?.context;
  const cost = model.profile?.cost;
  if (context) facts.push(`${brief(context)} context`);
  if (cost) facts.push(`$${cost.input} in, $${cost.output} out / M`);
  return facts.length === 0 ? undefined : facts.join(" · ");
}
