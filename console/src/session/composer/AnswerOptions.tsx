import { useState } from "react";
import { useModels } from "../../api/catalogue";
import { type Model, modelNamed, qualifiedName } from "../../parts/models";
import { useSessionId } from "../followed";
import { ModelOptions } from "../ModelOptions";
import { type Controls, useAgent, useSession } from "../queries";
import styles from "./Composer.module.css";

const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh"] as const;

/** Which model answers the message, and how much it reasons. */
export function AnswerOptions() {
  const [chosen, setChosen] = useState("");
  const models = useModels();
  const session = useSession(useSessionId());
  const agent = useAgent(session.data?.agent_id);
  const named = session.data?.model_id ?? agent.data?.default_model_id ?? null;
  const usual = usualModel(models.data ?? [], named);
  const model = models.data?.find((each) => qualifiedName(each) === chosen) ?? usual;
  return (
    <>
      <select
        name="model"
        aria-label="Model"
        className={styles.option}
        value={chosen}
        onChange={(event) => setChosen(event.target.value)}
      >
        <option value="">
          {usual === undefined ? "default model" : `${usual.display_name} (${usual.provider_name})`}
        </option>
        <ModelOptions />
      </select>
      {model?.capabilities?.includes("reasoning") === true && (
        <select name="effort" aria-label="Reasoning effort" className={styles.option}>
          <option value="">default effort</option>
          {EFFORTS.map((effort) => (
            <option key={effort} value={effort}>
              {effort} effort
            </option>
          ))}
        </select>
      )}
    </>
  );
}

/** Return the options that a form of the composer holds; null if all are the usual ones. */
export function controlsIn(form: FormData): Controls | null {
  const model = form.get("model");
  const effort = EFFORTS.find((each) => each === form.get("effort"));
  const controls: Controls = {};
  if (typeof model === "string" && model !== "") controls.model_id = model;
  if (effort !== undefined) controls.reasoning = { effort };
  return Object.keys(controls).length === 0 ? null : controls;
}

function usualModel(models: readonly Model[], named: string | null): Model | undefined {
  if (named === null) return models.find(({ is_default }) => is_default);
  return modelNamed(named, models);
}
