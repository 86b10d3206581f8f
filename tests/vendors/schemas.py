"""The vendors' own schemas of requests: the types of their SDKs, read strictly.

The types say which fields, parts and blocks there are. An SDK takes any iterable and any further
field; the vendor's server does not, so lists must be lists and unknown fields are refused.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic_core import CoreSchema, SchemaValidator

from tests.recorded_streams import WireName

Body = dict[str, Any]

# What servers of Chat Completions add to OpenAI's fields is checked by their own rules.
OF_OPENAI = ("openai", "azure")
# An answer goes back without the ids of its items if nothing is stored.
# Source: https://github.com/openai/codex, codex-rs/protocol/src/models.rs, ``ResponseItem``.
NOT_REQUIRED = {
    "ResponseOutputMessageParam": ("id", "status"),
    "ResponseOutputTextParam": ("annotations",),
}


def schema_problems(wire: WireName, vendor: str, body: Body) -> Iterator[str]:
    """Yield where a request is not of the type that the vendor's SDK declares."""
    is_strict = wire != "chat" or vendor in OF_OPENAI
    try:
        _validator(wire, is_strict=is_strict).validate_python(body)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            place = ".".join(map(str, problem["loc"]))
            yield f"{place}: {problem['msg']}"


@cache
def _validator(wire: WireName, *, is_strict: bool) -> SchemaValidator:
    schema = TypeAdapter[Any](_request_type(wire)).core_schema
    return SchemaValidator(cast("CoreSchema", _as_sent(schema, is_strict=is_strict)))


def _request_type(wire: WireName) -> Any:
    # The SDKs take seconds to import, and few tests need them.
    if wire == "messages":
        from anthropic.types.message_create_params import MessageCreateParamsStreaming

        return MessageCreateParamsStreaming
    if wire == "responses":
        from openai.types.responses.response_create_params import ResponseCreateParamsStreaming

        return ResponseCreateParamsStreaming
    from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming

    return CompletionCreateParamsStreaming


def _as_sent(schema: Any, *, is_strict: bool) -> Any:
    """Return a schema whose iterables are lists and whose objects have no other fields."""
    if isinstance(schema, list | tuple):
        items = cast("list[Any]", schema)
        return [_as_sent(item, is_strict=is_strict) for item in items]
    if not isinstance(schema, dict):
        return schema
    # Elsewhere these may be the names of a request's own fields.
    is_schema = isinstance(cast("dict[str, Any]", schema).get("type"), str)
    fields = {
        name: _as_sent(part, is_strict=is_strict)
        for name, part in cast("dict[str, Any]", schema).items()
        if not (is_schema and name in {"serialization", "metadata"})
    }
    if fields.get("type") == "generator":
        fields["type"] = "list"
    if fields.get("type") == "typed-dict" and is_strict:
        fields["extra_behavior"] = "forbid"
        fields.pop("config", None)
    if fields.get("type") == "typed-dict":
        name = getattr(fields.get("cls"), "__name__", "")
        for field in NOT_REQUIRED.get(name, ()):
            fields["fields"][field]["required"] = False
    if fields.get("type") == "model":
        # Besides objects, SDKs take parts of their own answers as they are.
        fields["strict"] = True
    return fields
