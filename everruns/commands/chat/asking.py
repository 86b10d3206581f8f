"""What a turn asks the person at the terminal: a decision about a tool call, or questions.

Source: docs/contract.md, "Waiting".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rich.text import Text

from everruns.commands.chat.lines import NAME_CHARACTERS, harmless_lines, in_one_line
from everruns.commands.output import json_of
from everruns.domain.questions import Question

WIDTH_OF_LABELS = 32


class NotAnAnswer(Exception):
    """What was typed does not answer what is asked; the message says what would."""


@dataclass(frozen=True)
class Reply:
    """A request that answers a call.

    Attributes:
        path: Of the route, below that of the session.
        body: Of the request.
    """

    path: str
    body: dict[str, Any]


class Asking(Protocol):
    """What a call asks.

    Attributes:
        call_id: The tool call that waits for the answer.
    """

    call_id: str

    def prompt(self) -> str:
        """Return what stands before the line in which the answer is typed."""
        ...

    def card(self) -> list[Text]:
        """Return what the person must know to answer."""
        ...

    def take(self, typed: str) -> Reply | None:
        """Return the reply that an answer makes; ``None`` if more is asked first.

        Raises:
            NotAnAnswer: It answers nothing.
        """
        ...

    def decline(self) -> Reply:
        """Return the reply of somebody who does not want to answer."""
        ...


class Approval:
    """Asks whether a call that is held may be made.

    Args:
        call_id: The call.
        name: Its tool.
        arguments: Its arguments, which are shown whole.
        decided_by: ``operator`` if an operator alone may decide.
    """

    def __init__(
        self, call_id: str, name: str, arguments: dict[str, Any], decided_by: str | None = None
    ) -> None:
        self.call_id = call_id
        self._name = name
        self._arguments = arguments
        self._decided_by = decided_by

    def prompt(self) -> str:
        """Return what stands before the answer. See ``Asking``."""
        return f"Allow {in_one_line(self._name, WIDTH_OF_LABELS)}? [y/n] "

    def card(self) -> list[Text]:
        """Return the call with all of its arguments. See ``Asking``."""
        who = " (an operator decides)" if self._decided_by == "operator" else ""
        name = in_one_line(self._name, NAME_CHARACTERS)
        return [
            Text.assemble(("? ", "bold yellow"), (name, "bold"), f" needs your approval{who}"),
            *(
                Text(f"  {line}", no_wrap=True)
                for line in json_of(self._arguments, indent=2).split("\n")
            ),
            Text("  y allows it, a allows the tool from now on, n REASON rejects it", "dim"),
        ]

    def take(self, typed: str) -> Reply:
        """Return the decision. See ``Asking``."""
        word, _, reason = typed.strip().partition(" ")
        match word.lower():
            case "y" | "yes" if not reason:
                return self._decision("allow")
            case "a" | "always" if not reason:
                return self._decision("allow_always")
            case "n" | "no":
                return self._decision("reject", reason.strip())
            case _:
                raise NotAnAnswer(
                    "Type y, a or n, or n and a reason. /say TEXT sends a message instead, and"
                    " the call is not made."
                )

    def decline(self) -> Reply:
        """Return a rejection. See ``Asking``."""
        return self._decision("reject")

    def _decision(self, decision: str, reason: str = "") -> Reply:
        given = {"tool_call_id": self.call_id, "decision": decision}
        if reason:
            given["reason"] = reason
        return Reply("tool-approvals", {"decisions": [given]})


class Questions:
    """Asks one question after the other, and gives all answers at once.

    Args:
        call_id: The call that asks.
        questions: What it asks.
    """

    def __init__(self, call_id: str, questions: Sequence[Question]) -> None:
        self.call_id = call_id
        self._questions = questions
        self._answers: list[dict[str, Any]] = []

    @property
    def _question(self) -> Question:
        return self._questions[len(self._answers)]

    def prompt(self) -> str:
        """Return what stands before the answer. See ``Asking``."""
        options = self._question.options
        if not options:
            return "Answer: "
        numbers = f"1-{len(options)}"
        return (
            f"Answer [{numbers}, several]: "
            if self._question.multi_select
            else (f"Answer [{numbers}]: ")
        )

    def card(self) -> list[Text]:
        """Return the question that comes next, with its options. See ``Asking``."""
        count = len(self._questions)
        of = f" ({len(self._answers) + 1} of {count})" if count > 1 else ""
        first, *more = harmless_lines(self._question.question)
        return [
            Text.assemble(("? ", "bold yellow"), (first, "bold"), (of, "dim")),
            *(Text(f"  {line}") for line in more),
            *self._options(),
            Text(f"  {self._hint()}", "dim"),
        ]

    def _options(self) -> Iterator[Text]:
        for number, option in enumerate(self._question.options, 1):
            text = Text.assemble((f"  {number} ", "cyan"), _flat(option.label))
            if option.recommended:
                text.append(" (recommended)", "green")
            if option.description:
                text.append(f"  {_flat(option.description)}", "dim")
            yield text

    def _hint(self) -> str:
        if not self._question.options:
            return "Type your answer, or /decline."
        numbers = "Numbers such as 1,3" if self._question.multi_select else "A number"
        return f"{numbers} or your own words, or /decline."

    def take(self, typed: str) -> Reply | None:
        """Return the reply once all questions are answered. See ``Asking``."""
        text = typed.strip()
        if not text:
            raise NotAnAnswer(self._hint())
        self._answers.append({"id": self._question.id, **self._chosen(text)})
        if len(self._answers) < len(self._questions):
            return None
        answers, self._answers = self._answers, []
        return Reply("question-answers", {"tool_call_id": self.call_id, "answers": answers})

    def _chosen(self, text: str) -> dict[str, Any]:
        labels = [option.label for option in self._question.options]
        words = text.replace(",", " ").split()
        if labels and all(word.isdecimal() for word in words):
            numbers = list(dict.fromkeys(int(word) for word in words))
            if not all(1 <= number <= len(labels) for number in numbers):
                raise NotAnAnswer(f"The options are 1 to {len(labels)}.")
            if len(numbers) > 1 and not self._question.multi_select:
                raise NotAnAnswer("Only one option can be chosen.")
            return {"selected": [labels[number - 1] for number in numbers]}
        for label in labels:
            if label.casefold() == text.casefold():
                return {"selected": [label]}
        return {"other_text": text}

    def decline(self) -> Reply:
        """Return the reply that declines all questions. See ``Asking``."""
        return Reply("question-answers", {"tool_call_id": self.call_id, "status": "declined"})


def _flat(text: str) -> str:
    return " ".join(harmless_lines(text))
