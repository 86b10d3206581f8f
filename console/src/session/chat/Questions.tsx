import { type FormEvent, useRef, useState } from "react";
import { Button } from "../../parts/Button";
import { Markdown } from "../../parts/markdown/Markdown";
import { Failed } from "../../parts/State";
import { useSessionId } from "../followed";
import type { Question, QuestionRound } from "../log/callTypes";
import type { Wait } from "../log/wire";
import { useOnce } from "../once";
import { useAnswer } from "../queries";
import { answersOf } from "./answers";
import { QuestionField } from "./QuestionField";
import styles from "./Request.module.css";

interface QuestionsProps {
  callId: string;
  round: QuestionRound;
  wait: Wait;
}

/** Questions of the agent, to be answered together or declined. */
export function Questions({ callId, round, wait }: QuestionsProps) {
  const answer = useAnswer(useSessionId());
  const form = useRef<HTMLFormElement>(null);
  const [missing, setMissing] = useState<readonly string[]>([]);
  const { run, isBusy } = useOnce(answer);

  function submit(event: FormEvent) {
    event.preventDefault();
    if (form.current === null) return;
    const { answers, unanswered } = answersOf(round.questions, new FormData(form.current));
    setMissing(unanswered);
    if (unanswered.length === 0) run({ answers, tool_call_id: callId });
  }

  return (
    <form ref={form} className={styles.request} onSubmit={submit} aria-label="Questions to you">
      {round.questions.map((question) => (
        <QuestionField
          key={question.id}
          question={question}
          isMissing={missing.includes(question.id)}
        />
      ))}
      {wait.on_timeout === "recommendation" && (
        <p className={styles.hint}>
          When the time is over, the recommended options count as the answer.
        </p>
      )}
      {answer.error !== null && <Failed error={answer.error} />}
      <div className={styles.actions}>
        <Button type="submit" tone="primary" isBusy={isBusy}>
          {round.questions.length === 1 ? "Answer" : `Answer ${round.questions.length} questions`}
        </Button>
        <Button
          isBusy={isBusy}
          onClick={() => run({ status: "declined", answers: [], tool_call_id: callId })}
        >
          Decline to answer
        </Button>
      </div>
    </form>
  );
}

/** What was asked, and what was answered. */
export function Answers({ round }: { round: QuestionRound }) {
  if (round.isOpen) return null;
  return (
    <dl className={styles.answers}>
      {round.questions.map((question) => (
        <div key={question.id}>
          <dt>
            <Markdown text={question.question} />
          </dt>
          <dd>{answerWords(question, round)}</dd>
        </div>
      ))}
    </dl>
  );
}

const UNANSWERED: Record<NonNullable<QuestionRound["unanswered"]>, string> = {
  timed_out: "Nobody answered in time.",
  superseded: "A message was sent instead of an answer.",
  turn_ended: "The turn ended before an answer.",
  process_lost: "The process that asked was lost.",
  not_needed: "No answer was needed any more.",
};

function answerWords({ id }: Question, { answers, unanswered }: QuestionRound): string {
  if (answers === null) return unanswered === null ? "Nobody answered." : UNANSWERED[unanswered];
  if (answers.status === "declined") return "The user declined to answer.";
  const answer = answers.answers.find((each) => each.id === id);
  const words = [...(answer?.selected ?? []), ...(answer?.otherText ? [answer.otherText] : [])];
  const said = words.length === 0 ? "No answer" : words.join(", ");
  return answers.status === "timed_out" ? `${said} (recommended; nobody answered in time)` : said;
}
