/** What passes by: the message that is being written, and how far tools are. */

import { activityWith } from "./activity";
import { EMPTY_TEXT, written } from "./codePoints";
import { GrowingTurn } from "./growingTurn";
import type { Draft, Transcript } from "./types";
import type { DeltaEvent, PassingEvent } from "./wire";

/** Apply what passes by, in the order in which it came. A delta costs what it has to say. */
export function withPassing(transcript: Transcript, events: readonly PassingEvent[]): Transcript {
  return events.reduce(
    (now, event) =>
      event.type === "tool.progress"
        ? withProgress(now, event.data.tool_call_id, event.data.message)
        : withDelta(now, event),
    transcript,
  );
}

function withDelta(transcript: Transcript, event: DeltaEvent): Transcript {
  const { message_id, offset, delta } = event.data;
  const known = transcript.draft?.messageId === message_id ? transcript.draft : null;
  if (known === null && isFinished(transcript, message_id)) return transcript;
  const draft = known ?? begun(event);
  const isText = event.type === "message.delta";
  const before = isText
    ? { text: draft.text, length: draft.textLength }
    : { text: draft.reasoning, length: draft.reasoningLength };
  const after = written(before, offset, delta);
  if (after === before) return transcript;
  const changed: Draft = isText
    ? { ...draft, text: after.text, textLength: after.length }
    : { ...draft, reasoning: after.text, reasoningLength: after.length };
  return { ...transcript, draft: changed, activity: activityWith(changed, transcript.activity) };
}

function begun({ data, context, ts }: DeltaEvent): Draft {
  return {
    messageId: data.message_id,
    turnId: context.turn_id ?? null,
    sinceMs: Date.parse(ts),
    text: EMPTY_TEXT.text,
    reasoning: EMPTY_TEXT.text,
    textLength: EMPTY_TEXT.length,
    reasoningLength: EMPTY_TEXT.length,
  };
}

/** Tell whether a message is the newest answer of the newest turn. */
function isFinished({ past, current }: Transcript, messageId: string): boolean {
  const answer = (current ?? past.at(-1))?.items.findLast((item) => item.kind === "answer");
  return answer?.key === messageId;
}

function withProgress(transcript: Transcript, callId: string, message: string): Transcript {
  if (transcript.current === null) return transcript;
  const growing = new GrowingTurn(transcript.current);
  const isNew = growing.progress(callId, message);
  return isNew ? { ...transcript, current: growing.turn } : transcript;
}
