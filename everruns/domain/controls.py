"""Options for a model's answers, and which of several settings of one option counts.

Source: docs/contract.md, "Controls".
"""

from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, ConfigDict, Field

from everruns.domain.base import Model, Number
from everruns.domain.output_schemas import check_output_schema

# Fields that clients of the wider Everruns API may send under /api/v1; they mean nothing here.
IGNORED = frozenset({"error_disclosure", "hints", "locale"})


class Reasoning(Model):
    """How hard a model should think."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None


StopSequence = Annotated[str, Field(min_length=1, max_length=256)]


class AnswerControls(Model):
    """Options for a model's answers; those left out are decided by the model.

    ``max_output_tokens`` limits one model call, reasoning included. ``output_schema`` is a JSON
    Schema: the answer is a value that matches it (``everruns.domain.structured_output``).
    """

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})

    reasoning: Reasoning | None = None
    temperature: Annotated[float, Field(ge=0, le=2), Number] | None = None
    top_p: Annotated[float, Field(gt=0, le=1), Number] | None = None
    max_output_tokens: Annotated[int, Field(ge=1, le=10_000_000), Number] | None = None
    stop: Annotated[list[StopSequence], Field(min_length=1, max_length=16)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1), Number] | None = None
    output_schema: dict[str, Any] | None = None


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
    """Refuse unknown options on every face: one that is ignored looks like one without effect."""

    def check(value: Any) -> Any:
        options = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        given = kind.model_validate(
            {name: options[name] for name in options if name not in IGNORED}, extra="forbid"
        )
        # Only here: stored options are read often, and were checked before.
        if given.output_schema is not None:
            check_output_schema(given.output_schema)
        return cast("Any", value)

    return BeforeValidator(check)


# What clients send. Stored options are read leniently, because other versions may have written
# them.
GivenAnswerControls = Annotated[AnswerControls, _strict(AnswerControls)]
GivenControls = Annotated[Controls, _strict(Controls)]
