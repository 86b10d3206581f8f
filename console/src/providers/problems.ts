/** What the server finds wrong in a provider, by field. */

import { asFailure, Failure } from "../api/failures";
import { namedProblems, type Problems } from "../parts/form/problems";

// Problems that only the provider's type can find come after this sentence.
const BEFORE = /^The provider's settings are not valid\. /;

/** Return the problems that the server names. */
export function providerProblems(error: Error | null): Problems {
  if (error === null) return new Map();
  const { code, message, status } = asFailure(error);
  return namedProblems(new Failure(code, message.replace(BEFORE, ""), status));
}
