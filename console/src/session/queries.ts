/** What the views of a session ask and tell the server, besides its log. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { answered, api, type Schemas } from "../api/client";
import { download } from "../parts/download";

export type Session = Schemas["Session"];
/** Options for the answers to a message. */
export type Controls = Schemas["ControlsInput"];

/** The session's record: its title, agent and settings. What happens in it is in its log. */
export function useSession(sessionId: string) {
  return useQuery({
    queryKey: ["session", sessionId],
    queryFn: () =>
      answered(
        api.GET("/v1/sessions/{session_id}", { params: { path: { session_id: sessionId } } }),
      ),
  });
}

/** The agent of a session, if it has one. An archived agent cannot be read. */
export function useAgent(agentId: string | null | undefined) {
  return useQuery({
    queryKey: ["agent", agentId],
    enabled: agentId != null,
    queryFn: () =>
      answered(api.GET("/v1/agents/{agent_id}", { params: { path: { agent_id: agentId ?? "" } } })),
  });
}

/** Make a session with the history of this one, up to the end of its last turn. */
export function useFork(sessionId: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (idempotencyKey: string) =>
      answered(
        api.POST("/v1/sessions/{session_id}/fork", {
          params: {
            path: { session_id: sessionId },
            header: { "Idempotency-Key": idempotencyKey },
          },
          body: {},
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["sessions"] }),
  });
}

/** End the open turn. */
export function useCancel(sessionId: string) {
  return useMutation({
    mutationFn: () =>
      answered(
        api.POST("/v1/sessions/{session_id}/cancel", {
          params: { path: { session_id: sessionId } },
        }),
      ),
  });
}

/** Start the last turn again, with other options if any are given. */
export function useRetry(sessionId: string) {
  return useMutation({
    mutationFn: ({ controls, key }: { controls: Controls | null; key: string }) =>
      answered(
        api.POST("/v1/sessions/{session_id}/retry", {
          params: { path: { session_id: sessionId }, header: { "Idempotency-Key": key } },
          body: controls === null ? {} : { controls },
        }),
      ),
  });
}

/** Decide about a held call. */
export function useDecide(sessionId: string) {
  return useMutation({
    mutationFn: (decision: Schemas["ToolDecision"]) =>
      answered(
        api.POST("/v1/sessions/{session_id}/tool-approvals", {
          params: { path: { session_id: sessionId } },
          body: { decisions: [decision] },
        }),
      ),
  });
}

/** Answer what a call asks, or decline to. */
export function useAnswer(sessionId: string) {
  return useMutation({
    mutationFn: (answers: Schemas["QuestionAnswers"]) =>
      answered(
        api.POST("/v1/sessions/{session_id}/question-answers", {
          params: { path: { session_id: sessionId } },
          body: answers,
        }),
      ),
  });
}

/** Give the result of a client-side tool. */
export function useGiveResult(sessionId: string) {
  return useMutation({
    mutationFn: (result: Schemas["ClientToolResult"]) =>
      answered(
        api.POST("/v1/sessions/{session_id}/tool-results", {
          params: { path: { session_id: sessionId } },
          body: { tool_results: [result] },
        }),
      ),
  });
}

/**
 * Save the conversation as JSON Lines.
 *
 * @throws Failure - The server refused, or did not answer.
 */
export function saveExport(sessionId: string): Promise<void> {
  return download(
    api.GET("/v1/sessions/{session_id}/export", {
      params: { path: { session_id: sessionId } },
      parseAs: "blob",
    }),
    `${sessionId}.jsonl`,
  );
}
