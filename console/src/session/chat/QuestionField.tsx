import { useId } from "react";
import { withVisibleControls } from "../../parts/controls";
import { Markdown } from "../../parts/markdown/Markdown";
import type { Question } from "../log/callTypes";
import { choiceField, textField } from "./answers";
import styles from "./Request.module.css";

interface QuestionFieldProps {
  question: Question;
  /** Whether its answer was missing when the answers were to be sent. */
  isMissing: boolean;
}

/** One question: options to choose from, words of one's own, or both. */
export function QuestionField({ question, isMissing }: QuestionFieldProps) {
  const id = useId();
  const isText = question.kind === "text";
  return (
    <fieldset className={styles.choices} aria-describedby={isMissing ? `${id}-missing` : undefined}>
      <legend>
        <Markdown text={question.question} />
      </legend>
      {question.options.map((option) => (
        <label key={option.label} className={styles.choice}>
          <input
            type={question.isMultiSelect ? "checkbox" : "radio"}
            name={choiceField(question)}
            value={option.label}
          />
          <span>
            {option.label}
            {option.isRecommended && <span className={styles.recommended}> recommended</span>}
            {option.description !== null && (
              <p className={styles.hint}>{withVisibleControls(option.description)}</p>
            )}
          </span>
        </label>
      ))}
      <label htmlFor={`${id}-text`}>
        {isText ? "Your answer" : "In your own words (optional)"}
      </label>
      {isText ? (
        <textarea id={`${id}-text`} name={textField(question)} rows={2} />
      ) : (
        <input id={`${id}-text`} name={textField(question)} autoComplete="off" />
      )}
      {isMissing && (
        <p id={`${id}-missing`} role="alert">
          {isText
            ? "Write an answer, or decline to answer."
            : "Choose an option, or write an answer."}
        </p>
      )}
    </fieldset>
  );
}
