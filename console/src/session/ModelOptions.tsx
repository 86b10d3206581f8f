import { useModels } from "../api/catalogue";
import { type Model, qualifiedName } from "../parts/models";

/** The models that there are, by provider, as options of a `select`. */
export function ModelOptions() {
  const models = useModels();
  return (
    <>
      {[...byProvider(models.data ?? [])].map(([provider, offered]) => (
        <optgroup key={provider} label={provider}>
          {offered.map((model) => (
            <option key={model.id} value={qualifiedName(model)}>
              {model.display_name}
            </option>
          ))}
        </optgroup>
      ))}
    </>
  );
}

function byProvider(models: readonly Model[]): Map<string, Model[]> {
  const groups = new Map<string, Model[]>();
  for (const model of models) {
    const group = groups.get(model.provider_name);
    if (group === undefined) groups.set(model.provider_name, [model]);
    else group.push(model);
  }
  return groups;
}
