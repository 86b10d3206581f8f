/** What the shell knows of the server: its version, and whether it wants another API key. */

import { useSyncExternalStore } from "react";
import { credential, isRefused, onCredentialChange } from "../api/credential";
import { asFailure } from "../api/failures";
import type { Asking } from "../parts/Awaited";
import { useDeployment } from "../parts/deployment";

/** What the page knows of its server. */
export interface Server {
  version: string | undefined;
  /** Whether this page has an API key. */
  hasKey: boolean;
  /** Whether it admits nobody without another API key. */
  needsKey: boolean;
  /** Whether it admitted this page. */
  isOpen: boolean;
  /** Whether it has not said yet if it admits this page. */
  isAsked: boolean;
  /** How asking it goes. */
  asking: Asking;
  /** Whether it serves the documentation of its API. */
  hasDocs: boolean;
  /** Whether this page may not do everything there. */
  hasLimits: boolean;
}

/** Ask the server for its version and whether it admits this page. */
export function useServer(): Server {
  const deployment = useDeployment();
  const key = useSyncExternalStore(onCredentialChange, credential);
  const wasRefused = useSyncExternalStore(onCredentialChange, isRefused);
  return {
    version: deployment.data?.version,
    hasKey: key !== null,
    needsKey: wasRefused || (deployment.isError && asFailure(deployment.error).status === 401),
    isOpen: deployment.isSuccess,
    isAsked: deployment.isPending,
    asking: deployment,
    hasDocs: deployment.data?.docs ?? false,
    hasLimits: deployment.data?.caller.has_limits ?? false,
  };
}
