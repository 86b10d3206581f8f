/** Sends messages and keeps them until the session's log has them. */

import { useCallback, useEffect, useState } from "react";
import { answered, api } from "../../api/client";
import { asFailure, type Failure } from "../../api/failures";
import { newIdempotencyKey } from "../../parts/idempotency";
import { useFollowed, useFollower, useSessionId } from "../followed";
import type { Controls } from "../queries";
import { notArrived, type Outgoing, type Part } from "./outbox";

/** Messages on their way, and what can be done with them. */
export interface Outbox {
  readonly messages: readonly Outgoing[];
  readonly send: (content: readonly Part[], controls: Controls | null) => void;
  /** Send a message that could not be sent again; the server stores it once. */
  readonly sendAgain: (outgoing: Outgoing) => void;
  readonly discard: (outgoing: Outgoing) => void;
}

/** Return the outbox of the open session. */
export function useOutbox(): Outbox {
  const sessionId = useSessionId();
  const follower = useFollower();
  const [messages, setMessages] = useState<readonly Outgoing[]>([]);
  const sequence = useFollowed(({ transcript }) => transcript.sequence);

  // biome-ignore lint/correctness/useExhaustiveDependencies: what has arrived depends on the log.
  useEffect(() => {
    setMessages((now) => notArrived(now, follower.getSnapshot().transcript));
  }, [follower, sequence]);

  const post = useCallback(
    async (outgoing: Outgoing) => {
      const outcome = await posted(sessionId, outgoing);
      const { transcript } = follower.getSnapshot();
      setMessages((now) =>
        notArrived(
          now.map((each) => (each.key === outgoing.key ? { ...each, ...outcome } : each)),
          transcript,
        ),
      );
    },
    [sessionId, follower],
  );

  const send = useCallback(
    (content: readonly Part[], controls: Controls | null) => {
      const outgoing: Outgoing = {
        key: newIdempotencyKey(),
        content,
        controls,
        afterSequence: follower.getSnapshot().transcript.sequence,
        failure: null,
        messageId: null,
      };
      setMessages((now) => [...now, outgoing]);
      void post(outgoing);
    },
    [follower, post],
  );

  const sendAgain = useCallback(
    (outgoing: Outgoing) => {
      setMessages((now) =>
        now.map((each) => (each.key === outgoing.key ? { ...each, failure: null } : each)),
      );
      void post(outgoing);
    },
    [post],
  );

  const discard = useCallback((outgoing: Outgoing) => {
    setMessages((now) => now.filter(({ key }) => key !== outgoing.key));
  }, []);

  return { messages, send, sendAgain, discard };
}

async function posted(
  sessionId: string,
  { key, content, controls }: Outgoing,
): Promise<{ messageId: string } | { failure: Failure }> {
  try {
    const message = await answered(
      api.POST("/v1/sessions/{session_id}/messages", {
        params: { path: { session_id: sessionId }, header: { "Idempotency-Key": key } },
        body: {
          message: { role: "user", content: [...content] },
          ...(controls === null ? {} : { controls }),
        },
      }),
    );
    return { messageId: message.id };
  } catch (error) {
    return { failure: asFailure(error) };
  }
}
