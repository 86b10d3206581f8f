/** What the session's model would be shown next, as the server reads it off a turn's request. */

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { answered, api, type Schemas } from "../../api/client";

export type ModelContext = Schemas["ModelContext"];

/** How many messages a page has. */
export const PAGE = 50;

/** Ask for the model's context; without an offset it has the newest messages. */
export function useModelContext(sessionId: string, offset: number | null) {
  return useQuery({
    queryKey: ["session", sessionId, "context", offset],
    placeholderData: keepPreviousData,
    queryFn: () =>
      answered(
        api.GET("/v1/sessions/{session_id}/context", {
          params: {
            path: { session_id: sessionId },
            query: { limit: PAGE, ...(offset === null ? {} : { offset }) },
          },
        }),
      ),
  });
}
