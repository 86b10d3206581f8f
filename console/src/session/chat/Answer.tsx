import { memo, useEffect, useRef, useState } from "react";
import { CodeBlock } from "../../parts/markdown/CodeBlock";
import { Markdown } from "../../parts/markdown/Markdown";
import { useDraft } from "../followed";
import type { AnswerItem } from "../log/itemTypes";
import type { Draft } from "../log/types";
import styles from "./Answer.module.css";
import { Reasoning } from "./Reasoning";
import { UsageLine } from "./UsageLine";
import { shownJson } from "./values";

interface AnswerProps {
  messageId: string;
  /** The finished answer; null while it is written. */
  item: AnswerItem | null;
}

/**
 * An answer, from its first word to its last.
 *
 * It listens to the draft by itself, so nothing else is drawn again while it is written.
 */
export const Answer = memo(function Answer({ messageId, item }: AnswerProps) {
  const draft = useDraft(item === null ? messageId : null);
  const reasonedMs = useReasoningTime(draft);
  const text = item?.text ?? draft?.text ?? "";
  const reasoning = item?.reasoning ?? draft?.reasoning ?? "";
  const isGrowing = item === null;
  const { output = null } = item ?? {};
  return (
    <article className={styles.answer} aria-label="Answer" aria-busy={isGrowing}>
      {reasoning !== "" && (
        <Reasoning
          text={reasoning}
          isGrowing={isGrowing && text === ""}
          durationMs={reasonedMs ?? (item === null ? null : reasoningTimeOf(item))}
        />
      )}
      {output?.kind === "value" ? (
        <CodeBlock code={shownJson(output.value)} language="json" />
      ) : (
        text !== "" && <Markdown text={text} isGrowing={isGrowing} />
      )}
      {item !== null && <Notes item={item} />}
      {item !== null && <UsageLine item={item} />}
    </article>
  );
});

function Notes({ item }: { item: AnswerItem }) {
  const notes = notesOn(item);
  if (notes.length === 0) return null;
  return (
    <ul className={styles.notes}>
      {notes.map((note) => (
        <li key={note}>{note}</li>
      ))}
    </ul>
  );
}

function notesOn(item: AnswerItem): string[] {
  const notes: string[] = [];
  const { output, withoutImages, withoutMessages } = item;
  if (output?.kind === "error") {
    notes.push(`This is not the value that was asked for: ${output.error}`);
  }
  if (item.isIncomplete) notes.push("The answer broke off.");
  if (item.finishReason === "length") notes.push("The limit of output tokens cut the answer off.");
  if (withoutImages.length > 0) {
    notes.push(`The model refused the images of ${messages(withoutImages.length)}.`);
  }
  if (withoutMessages.length > 0) {
    notes.push(`The model was not shown ${messages(withoutMessages.length)}, which it refused.`);
  }
  return notes;
}

function messages(count: number): string {
  return count === 1 ? "a message" : `${count} messages`;
}

/** Return for how long a draft's reasoning was written, once its text has begun. */
function useReasoningTime(draft: Draft | null): number | null {
  const [timeMs, setTime] = useState<number | null>(null);
  const reasons = useRef(false);
  const isReasoning = draft !== null && draft.reasoning !== "" && draft.text === "";
  const sinceMs = draft?.sinceMs ?? 0;
  useEffect(() => {
    if (reasons.current && !isReasoning && sinceMs > 0) setTime(Date.now() - sinceMs);
    reasons.current = isReasoning;
  }, [isReasoning, sinceMs]);
  return timeMs;
}

/** Return for how long a finished answer was reasoned, if it has nothing else. */
function reasoningTimeOf({ text, timing }: AnswerItem): number | null {
  if (text !== "" || timing?.first_token_ms == null) return null;
  return timing.ended_ms - timing.first_token_ms;
}
