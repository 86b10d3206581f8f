"""Options for a model's answers, and which of several settings of one option counts.

Source: docs/contract.md, "Controls".
"""

import re
from collections.abc import Collection
from difflib import get_close_matches
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from everruns.domain.base import Model, Number

# What other APIs call these options.
NAMES_ELSEWHERE = {
    "effort": "reasoning",
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "model": "model_id",
    "reasoning_effort": "reasoning",
    "stop_sequences": "stop",
    "thinking": "reasoning",
}
# Fields that clients of the wider Everruns API may send; they mean nothing here.
IGNORED = frozenset({"error_disclosure", "hints", "locale"})
SHOWN_CHARACTERS = 64
CAPITAL = re.compile(r"(?<=[a-z])[A-Z]")


class Reasoning(Model):
    """How hard a model should think."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None


StopSequence = Annotated[str, Field(min_length=1, max_length=256)]


class AnswerControls(Model):
    """Options for a model's answers; those left out are decided by the model.

    ``max_output_tokens`` limits one model call, reasoning included.
    """

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})

    reasoning: Reasoning | None = None
    temperature: Annotated[float, Field(ge=0, le=2), Number] | None = None
    top_p: Annotated[float, Field(gt=0, le=1), Number] | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=10_000_000), Number] | None = None
    stop: Annotated[list[StopSequence], Field(min_length=1, max_length=16)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1), Number] | None = None


class Controls(AnswerControls):
    """Options for the answer to one message."""

    model_id: Annotated[str, Field(min_length=1, max_length=512)] | None = None


NO_CONTROLS = AnswerControls()


def effective_controls(*settings: AnswerControls | None) -> AnswerControls:
    """Return the options that count: each option's first value.

    Args:
        settings: Options in order of precedence: the message's, the session's, the agent's.
    """
    given: dict[str, Any] = {}
    for options in settings:
        for name in AnswerControls.model_fields if options else ():
            if given.get(name) is None:
                given[name] = getattr(options, name)
    return NO_CONTROLS.model_copy(update=given) if given else NO_CONTROLS


def _strict(kind: type[AnswerControls]) -> BeforeValidator:
    """Refuse unknown options: one that is ignored looks like one that has no effect."""

    def check(value: Any) -> Any:
        given = _known_fields(value, kind.model_fields)
        _known_fields(given.get("reasoning"), Reasoning.model_fields)
        return value

    return BeforeValidator(check)


def _known_fields(value: Any, known: Collection[str]) -> dict[str, Any]:
    """Return the fields of an object, all of them known; other values have none."""
    given = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    for name in given:
        if name in known or name in IGNORED:
            continue
        snake_case = CAPITAL.sub(r"_\g<0>", name[:SHOWN_CHARACTERS]).lower()
        meant = NAMES_ELSEWHERE.get(snake_case, snake_case)
        near = get_close_matches(meant, known, 1)
        raise PydanticCustomError(
            "unknown_control",
            "{name} is not an option.{hint} The options are {known}.",
            {
                "name": repr(name[:SHOWN_CHARACTERS]),
                "hint": f" Did you mean {near[0]!r}?" if near else "",
                "known": ", ".join(sorted(known)),
            },
        )
    return given


# What clients send. Stored options are read leniently, because other versions may have written
# them.
GivenAnswerControls = Annotated[AnswerControls, _strict(AnswerControls)]
GivenControls = Annotated[Controls, _strict(Controls)]
