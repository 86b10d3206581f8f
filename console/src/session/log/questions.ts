/** Questions to the user and their answers, read from what calls and results hold. */

import { isObject } from "../../parts/json";
import type { Question, QuestionAnswers, QuestionOption } from "./callTypes";

/** The tool with which a model asks the user. */
export const ASK_USER = "ask_user";

/** Return the questions that arguments of `ask_user` hold; null if they hold none. */
export function questionsIn(given: unknown): readonly Question[] | null {
  if (!isObject(given) || !Array.isArray(given.questions) || given.questions.length === 0) {
    return null;
  }
  const questions = given.questions.map(questionOf);
  return questions.every((question) => question !== null) ? questions : null;
}

/** Return the answers that a result of `ask_user` holds; null if it holds none. */
export function answersIn(result: unknown): QuestionAnswers | null {
  if (!isObject(result)) return null;
  const { status } = result;
  if (status !== "answered" && status !== "declined" && status !== "timed_out") return null;
  const given: unknown[] = Array.isArray(result.answers) ? result.answers : [];
  return {
    status,
    answers: given.filter(isObject).map((answer) => ({
      id: textOf(answer.id) ?? "",
      selected: Array.isArray(answer.selected)
        ? answer.selected.filter((label) => typeof label === "string")
        : [],
      otherText: textOf(answer.other_text),
    })),
  };
}

function questionOf(given: unknown): Question | null {
  if (!isObject(given)) return null;
  const id = textOf(given.id);
  const question = textOf(given.question);
  const kind = given.kind ?? "choice";
  const options = optionsIn(given.options ?? []);
  if (!id || !question || options === null || (kind !== "choice" && kind !== "text")) return null;
  return { id, question, kind, options, isMultiSelect: given.multi_select === true };
}

function optionsIn(given: unknown): readonly QuestionOption[] | null {
  if (!Array.isArray(given)) return null;
  const options = given.map((option: unknown) => {
    const label = isObject(option) ? textOf(option.label) : null;
    if (!isObject(option) || !label) return null;
    const isRecommended = option.recommended === true;
    return { label, description: textOf(option.description), isRecommended };
  });
  return options.every((option) => option !== null) ? options : null;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
