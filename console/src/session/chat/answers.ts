/** The answers that a form of questions holds. */

import type { Schemas } from "../../api/client";
import type { Question } from "../log/callTypes";

/** What a form says: the answers as they are sent, and which questions have none. */
export interface GivenAnswers {
  readonly answers: Schemas["Answer"][];
  /** Ids of questions. */
  readonly unanswered: string[];
}

/** Return the name of a question's options in a form. */
export function choiceField({ id }: Question): string {
  return `choice ${id}`;
}

/** Return the name of the field for a question's answer in own words. */
export function textField({ id }: Question): string {
  return `text ${id}`;
}

/** Read the answers to questions from their form. */
export function answersOf(questions: readonly Question[], form: FormData): GivenAnswers {
  const given: GivenAnswers = { answers: [], unanswered: [] };
  for (const question of questions) {
    const selected = form
      .getAll(choiceField(question))
      .filter((label) => typeof label === "string");
    const words = form.get(textField(question));
    const text = typeof words === "string" ? words.trim() : "";
    if (selected.length === 0 && text === "") given.unanswered.push(question.id);
    const inWords = text === "" ? {} : { other_text: text };
    given.answers.push({ id: question.id, selected, ...inWords });
  }
  return given;
}
