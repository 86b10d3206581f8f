/** Requests that must not be made twice, however often a button is pressed. */

import type { UseMutationResult } from "@tanstack/react-query";
import { useRef } from "react";

interface Once<Variables> {
  /** Whether it was done or is under way, so that nothing more can be done here. */
  isBusy: boolean;
  run: (variables: Variables) => void;
}

/** Return how to do something once; after a failure it can be done again. */
export function useOnce<Data, Variables>(
  mutation: UseMutationResult<Data, Error, Variables>,
): Once<Variables> {
  // A second press can come before the first has changed what is drawn.
  const isBegun = useRef(false);
  return {
    isBusy: mutation.isPending || mutation.isSuccess,
    run: (variables) => {
      if (isBegun.current) return;
      isBegun.current = true;
      mutation.mutate(variables, {
        onError: () => {
          isBegun.current = false;
        },
      });
    },
  };
}
