/** What a form and its fields tell each other: what is wrong, and where. */

import { createContext, useContext, useEffect, useId } from "react";
import { type Problems, problemAt } from "./problems";

/** What a form offers to its fields. */
export interface FormContext {
  /** What the server said is wrong. */
  problems: Problems;
  /** Tell the form what is wrong in a field before anything is sent, or that nothing is. */
  report: (field: string, problem: string | undefined) => void;
}

export const CurrentForm = createContext<FormContext>({ problems: new Map(), report: () => {} });

/** Return what the server said about a field, named by its path on the wire. */
export function useServerProblem(
  name: string | undefined,
  coversBelow: boolean,
): string | undefined {
  const { problems } = useContext(CurrentForm);
  return name === undefined ? undefined : problemAt(problems, name, coversBelow);
}

/** Keep the form from being saved while something is wrong in a field. */
export function useLocalProblem(problem: string | undefined): void {
  const { report } = useContext(CurrentForm);
  const field = useId();
  useEffect(() => {
    report(field, problem);
    return () => report(field, undefined);
  }, [report, field, problem]);
}
