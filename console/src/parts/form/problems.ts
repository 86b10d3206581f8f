/** Which fields of a request the server found wrong, read from its words. */

import { asFailure } from "../../api/failures";

/** What is wrong, by the path of the field on the wire, such as `controls.temperature`. */
export type Problems = ReadonlyMap<string, string>;

// The server names fields by their paths and joins up to five problems: "name: is required; …".
const PROBLEM = /^([A-Za-z_][\w-]*(?:\.[\w:-]+)*): (.+)$/s;
const BETWEEN = /; (?=[A-Za-z_][\w-]*(?:\.[\w:-]+)*: )/;

/** Return the problems that a failed request's message names. */
export function namedProblems(error: Error | null): Problems {
  const problems = new Map<string, string>();
  if (error === null) return problems;
  const failure = asFailure(error);
  if (failure.status !== 400) return problems;
  for (const part of failure.message.split(BETWEEN)) {
    const [, path, words] = PROBLEM.exec(part) ?? [];
    if (path !== undefined && words !== undefined && !problems.has(path)) problems.set(path, words);
  }
  return problems;
}

/**
 * Return what is wrong with a field.
 *
 * @param problems - All problems.
 * @param path - The field's path.
 * @param coversBelow - Whether the field shows everything below its path too.
 */
export function problemAt(
  problems: Problems,
  path: string,
  coversBelow: boolean,
): string | undefined {
  const own = problems.get(path);
  if (own !== undefined || !coversBelow) return own;
  for (const [place, words] of problems) {
    if (place.startsWith(`${path}.`)) return `${place.slice(path.length + 1)}: ${words}`;
  }
  return undefined;
}
