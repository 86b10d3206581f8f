/** Changes of sessions that several screens make. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { answered, api } from "../api/client";
import { asFailure } from "../api/failures";

/** Rename a session; an empty title removes the one that it has. */
export function useRenameSession(sessionId: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (title: string) =>
      answered(
        api.PATCH("/v1/sessions/{session_id}", {
          params: { path: { session_id: sessionId } },
          body: { title: title === "" ? null : title },
        }),
      ),
    onSuccess: (session) => {
      queries.setQueryData(["session", sessionId], session);
      return queries.invalidateQueries({ queryKey: ["sessions"] });
    },
  });
}

/** Delete a session with its log. One that is already gone counts as deleted. */
export function useDeleteSession() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (sessionId: string) => {
      try {
        await api.DELETE("/v1/sessions/{session_id}", {
          params: { path: { session_id: sessionId } },
        });
      } catch (error) {
        if (asFailure(error).status !== 404) throw error;
      }
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: ["sessions"] }),
  });
}
