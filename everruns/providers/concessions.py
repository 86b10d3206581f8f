"""What is left out of a request that a provider has refused, before it is sent again.

Servers refuse fields they do not know, reasoning that they did not write themselves, images over
their limits, messages that break a rule of theirs, and system messages that their template has no
place for. The conversation must go on without these; nothing that a user asks for now is left out.
What is left out of the conversation itself is in ``everruns.providers.refused_parts``.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from everruns.domain.messages import Message, TextPart
from everruns.domain.transcript import leave_out
from everruns.providers.base import ModelRequest
from everruns.providers.loaded_tools import DEFER_LOADING, is_about_loading
from everruns.providers.output_rules import OutputRules
from everruns.providers.output_schemas import (
    in_words,
    is_surely_enforced,
    sent_output,
    without_schema,
)
from everruns.providers.refused_parts import (
    Cut,
    named_parts,
    other_images,
    unanswered_messages,
)
from everruns.turn_failures import ContextTooLong, ModelFailure, ProviderRejected

# Without these fields an answer is the same: what they ask for is ensured or estimated here
# instead, or only for display. A refusal names the field, or says the words here. OpenAI gives
# summaries of reasoning to verified organizations alone.
DISPENSABLE = {
    "stream_options": re.compile("stream_options"),
    "parallel_tool_calls": re.compile("parallel_tool_calls"),
    "include": re.compile(r"['\"`:] ?include\b|encrypted content is not supported", re.IGNORECASE),
    "reasoning.summary": re.compile(r"reasoning\.summary|reasoning summar", re.IGNORECASE),
}

# A limit that was asked for must hold, so it goes under its other name.
OUTPUT_LIMITS = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
}

_UNKNOWN_FIELD = re.compile(
    r"(unknown|unrecogni[sz]ed|unsupported|unexpected|extra|additional|not permitted|not allowed)"
    r"[^.]{0,40}(field|param|argument|input|key|option|propert)",
    re.IGNORECASE,
)
_NOT_TAKEN = re.compile(
    r"(un|not )(supported|known|recognized|permitted|allowed|expected)|extra", re.IGNORECASE
)
# Fields by which a schema for structured answers is sent.
OUTPUT_FIELDS = frozenset({"response_format", "text", "text.format", "output_config.format"})
_OUTPUT = re.compile(
    r"response_?format|response[ _]mime|json_?schema|output_(format|config)|text\.format|"
    r"structured[ _]outputs?",
    re.IGNORECASE,
)
# Words that may also be about a tool.
_PERHAPS_OUTPUT = re.compile("grammar|schema", re.IGNORECASE)
_REASONING = re.compile("thinking|reasoning|signature|encrypted", re.IGNORECASE)
# The templates of Gemma and of some models of Mistral.
_NO_SYSTEM = re.compile(
    r"system (role|message|prompt)s?[^.]{0,20} (not|un)[ -]?(supported|allowed)|"
    r"only (supports? )?user(,| and) (and )?(assistant|model) roles",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Learned:
    """What a model's refusals have shown about it, whatever the request.

    Attributes:
        omitted: Fields of the body that it does not take, as paths: ``a.b``.
        output_limit: Field for the limit of output tokens in place of the dialect's.
        has_system_role: Whether it takes a system prompt of its own.
        enforces_schemas: Whether it takes a schema for a structured answer.
    """

    omitted: frozenset[str] = frozenset()
    output_limit: str | None = None
    has_system_role: bool = True
    enforces_schemas: bool = True


@dataclass(frozen=True)
class Attempt:
    """A request together with what is left out of it.

    Attributes:
        request: The request.
        learned: What the model does not take.
        with_reasoning: Whether reasoning of earlier answers is sent back.
        without_images: Ids of the messages whose images are left out.
        without_messages: Ids of the messages in whose place is a note.
        cuts: How many ways to leave out parts of the conversation were tried.
    """

    request: ModelRequest
    learned: Learned = field(default_factory=Learned)
    with_reasoning: bool = True
    without_images: tuple[str, ...] = ()
    without_messages: tuple[str, ...] = ()
    cuts: int = 0


Render = Callable[[Attempt], Mapping[str, Any]]


def first_attempt(request: ModelRequest, learned: Learned, rules: OutputRules | None) -> Attempt:
    """Return the first attempt of a request, without what the model refused before.

    Args:
        request: The request.
        learned: What the model does not take.
        rules: Which schemas of structured answers its provider enforces, if it does.
    """
    if request.controls.output_schema is not None:
        takes_schema = learned.enforces_schemas and not learned.omitted & OUTPUT_FIELDS
        is_sent = takes_schema and sent_output(request, rules) is not None
        if not is_sent or not is_surely_enforced(request):
            request = in_words(request)
        if not is_sent:
            request = without_schema(request)
    if DEFER_LOADING in learned.omitted:
        request = replace(request, deferred=())
    if request.system_prompt and not learned.has_system_role:
        request = _with_prompt_in_first_message(request)
    return Attempt(request, learned)


def concede(
    attempt: Attempt, body: Mapping[str, Any], refusal: ModelFailure, render: Render
) -> Attempt | None:
    """Return what to ask instead, or ``None`` if nothing can be left out.

    Args:
        attempt: What was asked.
        body: The body that was sent.
        refusal: The provider's answer, with its reason.
        render: Returns the body of an attempt.
    """
    if isinstance(refusal, ProviderRejected):
        if attempt.request.deferred and is_about_loading(body, refusal.reason):
            return _without_loading(attempt)
        if less := _with_other_fields(attempt, body, refusal.reason):
            return less
        if attempt.with_reasoning and _REASONING.search(refusal.reason) and _has_reasoning(attempt):
            return replace(attempt, with_reasoning=False)
        if attempt.request.system_prompt and _NO_SYSTEM.search(refusal.reason):
            return replace(
                attempt,
                request=_with_prompt_in_first_message(attempt.request),
                learned=replace(attempt.learned, has_system_role=False),
            )
    elif not isinstance(refusal, ContextTooLong):
        return None
    return _without_parts(attempt, refusal, render)


def _without_parts(attempt: Attempt, refusal: ModelFailure, render: Render) -> Attempt | None:
    """Leave out the part that was refused; if it is not known, what it most likely is."""

    def entries(messages: Sequence[Message]) -> int:
        body = render(replace(attempt, request=replace(attempt.request, messages=messages)))
        return len(body.get("messages") or body.get("input") or ())

    is_about_parts = isinstance(refusal, ProviderRejected)
    for tried in range(attempt.cuts, 3):
        cut = Cut()
        match tried:
            case 0 if is_about_parts:
                cut = named_parts(attempt.request.messages, refusal.reason, entries)
            case 1:
                cut = other_images(attempt.request.messages)
            case 2 if is_about_parts:
                cut = unanswered_messages(attempt.request.messages)
            case _:
                pass
        if cut.images or cut.messages:
            messages = leave_out(attempt.request.messages, cut.images, cut.messages)
            return replace(
                attempt,
                request=replace(attempt.request, messages=messages),
                without_images=(*attempt.without_images, *cut.images),
                without_messages=(*attempt.without_messages, *cut.messages),
                cuts=tried + 1,
            )
    return None


def leave_out_field(body: dict[str, Any], path: str) -> None:
    """Remove a field from a body, and the object that held it if nothing else is in it."""
    name, _, inner = path.partition(".")
    if inner and isinstance(body.get(name), dict):
        leave_out_field(body[name], inner)
    if not inner or not body.get(name):
        body.pop(name, None)


def _is_in(body: Mapping[str, Any], path: str) -> bool:
    name, _, inner = path.partition(".")
    return name in body and (not inner or _is_in(body[name], inner))


def _refused_fields(body: Mapping[str, Any], reason: str) -> frozenset[str]:
    sent = [path for path in DISPENSABLE if _is_in(body, path)]
    named = frozenset(path for path in sent if DISPENSABLE[path].search(reason))
    return named or (frozenset(sent) if _UNKNOWN_FIELD.search(reason) else frozenset())


def _with_other_fields(attempt: Attempt, body: Mapping[str, Any], reason: str) -> Attempt | None:
    learned = attempt.learned
    has_schema = attempt.request.controls.output_schema is not None
    if has_schema and _OUTPUT.search(reason):
        return _without_schema(attempt)
    if learned.output_limit is None and (name := _other_limit(body, reason)):
        return replace(attempt, learned=replace(learned, output_limit=name))
    if fields := _refused_fields(body, reason):
        return replace(attempt, learned=replace(learned, omitted=learned.omitted | fields))
    return _without_schema(attempt) if has_schema and _PERHAPS_OUTPUT.search(reason) else None


def _without_loading(attempt: Attempt) -> Attempt:
    """Let found tools be called by ``call_tool`` alone."""
    learned = attempt.learned
    return replace(
        attempt,
        request=replace(attempt.request, deferred=()),
        learned=replace(learned, omitted=learned.omitted | {DEFER_LOADING}),
    )


def _without_schema(attempt: Attempt) -> Attempt:
    """Tell the model of the schema in words alone."""
    request, learned = attempt.request, replace(attempt.learned, enforces_schemas=False)
    if is_surely_enforced(request):
        request = in_words(request)
        if not learned.has_system_role:
            request = _with_prompt_in_first_message(request)
    return replace(attempt, request=without_schema(request), learned=learned)


def _other_limit(body: Mapping[str, Any], reason: str) -> str | None:
    """Return the other name of the output limit if a refusal is about the name that was sent."""
    sent = next((name for name in OUTPUT_LIMITS if name in body), None)
    is_refused = sent and re.search(rf"\b{sent}\b", reason) and _NOT_TAKEN.search(reason)
    return OUTPUT_LIMITS[sent] if sent and is_refused else None


def _with_prompt_in_first_message(request: ModelRequest) -> ModelRequest:
    first, *others = request.messages
    prompt = TextPart(text=request.system_prompt)
    told = first.model_copy(update={"content": [prompt, *first.content]})
    return replace(request, system_prompt="", messages=[told, *others])


def _has_reasoning(attempt: Attempt) -> bool:
    return any(message.thinking_blocks for message in attempt.request.messages)
