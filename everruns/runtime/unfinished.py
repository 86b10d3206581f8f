"""The usage of an interrupted model call.

A provider bills what the model has read and written so far, but few report it. Reported counts are
used; the rest is estimated as one token for every four characters.

Source: docs/contract.md, "Turns".
"""

from everruns.domain.messages import Message, TextPart, ToolCallPart, ToolResultPart
from everruns.domain.parts import AttachedFilePart
from everruns.domain.usage import Usage
from everruns.providers.base import ModelRequest
from everruns.providers.catalogue import priced
from everruns.providers.tool_calls import json_text, result_text
from everruns.runtime.feed.draft import Draft

CHARACTERS_OF_A_TOKEN = 4


def unfinished_usage(draft: Draft) -> Usage | None:
    """Return the known or estimated usage of an interrupted call.

    Returns:
        The usage with its price; ``None`` if the model had not started to answer.
    """
    reported = draft.reported
    if draft.request is None or (reported is None and draft.is_empty):
        return None
    reported = reported or Usage()
    written = _tokens(draft.text.length + draft.reasoning.length)
    usage = reported.model_copy(
        update={
            "input_tokens": reported.input_tokens or _tokens(_characters_read(draft.request)),
            "output_tokens": max(reported.output_tokens, written),
        }
    )
    return priced(usage, draft.request.model.profile)


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_OF_A_TOKEN)


def _characters_read(request: ModelRequest) -> int:
    """Count the text of a request; images are left out."""
    return (
        len(request.system_prompt)
        + sum(_length(message) for message in request.messages)
        + sum(len(tool.description) + len(json_text(tool.parameters)) for tool in request.tools)
    )


def _length(message: Message) -> int:
    length = 0
    for part in message.content:
        match part:
            case TextPart():
                length += len(part.text)
            case AttachedFilePart():
                length += len(part.text)
            case ToolCallPart():
                length += len(json_text(part.arguments))
            case ToolResultPart():
                length += len(result_text(part))
            case _:
                pass
    return length
