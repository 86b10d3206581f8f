/** What is wrong with an agent, where the server says it in sentences. */

import { asFailure } from "../api/failures";
import { namedProblems, type Problems } from "../parts/form/problems";

const OF_CAPABILITY = /^Capability ([^:]+(?::[^\s:]+)?): (.+)$/s;
const OF_SETTING = /^(?:Setting|Missing required setting:?|Unknown setting:?) '?([\w.[\]-]+)'?/;
const OF_MODEL = /^Model .+ takes no ([a-z_]+)/;

/** Return what the server found wrong, by the path of the field of the editor. */
export function agentProblems(error: Error | null): Problems {
  const problems = new Map(namedProblems(error));
  if (error === null) return problems;
  const { message, code } = asFailure(error);
  const [, capability, words] = OF_CAPABILITY.exec(message) ?? [];
  if (capability !== undefined && words !== undefined) {
    const setting = OF_SETTING.exec(words)?.[1]?.replaceAll(/\[(\d+)\]/g, ".$1");
    const path = `capabilities.${capability}`;
    problems.set(setting === undefined ? path : `${path}.${setting}`, words);
  }
  const option = OF_MODEL.exec(message)?.[1];
  if (option !== undefined) problems.set(`controls.${option}`, message);
  if (code === "UNKNOWN_MODEL") problems.set("default_model_id", message);
  return problems;
}
