"""The body of a Chat Completions request.

Source: https://platform.openai.com/docs/api-reference/chat and ``everruns.providers.dialects``.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from everruns.domain.messages import (
    ImagePart,
    Message,
    TextPart,
    ThinkingBlock,
    ToolResultPart,
)
from everruns.domain.parts import AttachedFilePart
from everruns.domain.transcript import IMAGE_LEFT_OUT
from everruns.providers.attachments import sent_messages
from everruns.providers.base import ModelRequest
from everruns.providers.catalogue import api_of
from everruns.providers.chat_answer import REASONING_FIELDS
from everruns.providers.chat_calls import EXTRA_FIELDS
from everruns.providers.chat_opaque import OPAQUE_FIELDS
from everruns.providers.concessions import Attempt
from everruns.providers.dialects import Dialect
from everruns.providers.output_schemas import OUTPUT_NAME, sent_output
from everruns.providers.tool_calls import json_text, result_text, sent_ids
from everruns.providers.tool_rules import sent_name
from everruns.providers.tool_schemas import sent_tools

IMAGES_OF_RESULTS = "(The images of the tool results above, in their order.)"

Fields = dict[str, Any]


def completion_body(attempt: Attempt, dialect: Dialect) -> Fields:
    """Return the body that asks for one streamed completion.

    Args:
        attempt: The request, and what is left out of it.
        dialect: What the server wants.
    """
    request = attempt.request
    body: Fields = {
        "model": request.model.model_id,
        "messages": _messages(attempt, dialect),
        "stream": True,
        "stream_options": {"include_usage": True},
        **_controls(request, dialect, attempt.learned.output_limit or dialect.output_limit),
        **_tools(request, dialect),
        **_output(request, dialect),
    }
    return {name: value for name, value in body.items() if name not in dialect.omitted}


def _controls(request: ModelRequest, dialect: Dialect, output_limit: str) -> Fields:
    controls = request.controls
    fields: Fields = {
        "temperature": controls.temperature,
        "top_p": controls.top_p,
        output_limit: controls.max_output_tokens,
        "stop": controls.stop,
        **({dialect.seed: controls.seed} if dialect.seed else {}),
    }
    if effort := _effort(request):
        fields.update(dialect.efforts[effort])
    return {name: value for name, value in fields.items() if value is not None}


def _effort(request: ModelRequest) -> str | None:
    profile = request.model.profile
    # Such models take tools with reasoning only in the Responses API.
    if request.tools and api_of("openai", request.model.model_id) == "responses":
        # What the user asks for is sent all the same; the provider's answer says why not.
        return request.effort or "none"
    return None if profile and profile.reasoning is False else request.effort


def _tools(request: ModelRequest, dialect: Dialect) -> Fields:
    tools = [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
            },
        }
        for tool in sent_tools(request, dialect.tools)
    ]
    if not tools:
        return {}
    parallel = request.parallel_tool_calls
    return {"tools": tools} | ({} if parallel is None else {"parallel_tool_calls": parallel})


def _output(request: ModelRequest, dialect: Dialect) -> Fields:
    schema = sent_output(request, dialect.output)
    if schema is None:
        return {}
    described = {"name": OUTPUT_NAME, "schema": schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": described}}


def _messages(attempt: Attempt, dialect: Dialect) -> list[Fields]:
    """Render the transcript. Messages of one role in a row become one: some servers refuse them."""
    request = attempt.request
    ids = sent_ids(request, dialect.call_id)
    reasoned = _ReasoningRule(attempt, dialect)
    sent: list[Fields] = []
    # Results are text: their images are shown after all results of one answer.
    images: list[Fields] = []
    if request.system_prompt:
        sent.append({"role": "system", "content": request.system_prompt})
    messages = sent_messages(request, dialect.image_limits, dialect.file_limits)
    for position, stored in enumerate(messages):
        message = stored.with_images(partial(_taken, dialect))
        if message.role == "tool_result":
            sent.append(_result(message, ids))
            images += map(_image, message.images)
            continue
        _show_images(sent, images, dialect)
        images = []
        if message.role == "agent":
            answer = _answer(message, ids, dialect)
            if sent and sent[-1]["role"] == "assistant":
                answer = _continued(sent.pop(), answer)
            sent.append(answer)
            reasoned.complete(answer, position, message)
        else:
            _say(sent, message.role, _content(message), dialect)
    _show_images(sent, images, dialect)
    return sent


def _say(sent: list[Fields], role: str, content: str | list[Fields], dialect: Dialect) -> None:
    last_role = sent[-1]["role"] if sent else None
    if last_role == "tool" and dialect.reply_to_tools:
        sent.append({"role": "assistant", "content": dialect.reply_to_tools})
    if last_role == role == "user":
        sent[-1]["content"] = _joined(sent[-1]["content"], content)
    else:
        sent.append({"role": role, "content": content})


def _show_images(sent: list[Fields], images: Sequence[Fields], dialect: Dialect) -> None:
    if images:
        _say(sent, "user", [_text(IMAGES_OF_RESULTS), *images], dialect)


def _result(message: Message, ids: Mapping[str, str]) -> Fields:
    part = next(part for part in message.content if isinstance(part, ToolResultPart))
    return {"role": "tool", "tool_call_id": ids[part.tool_call_id], "content": result_text(part)}


def _answer(message: Message, ids: Mapping[str, str], dialect: Dialect) -> Fields:
    calls = [
        {
            "id": ids[call.id],
            "type": "function",
            "function": {
                "name": sent_name(call.name, dialect.tools),
                "arguments": json_text(call.arguments),
            },
        }
        for call in message.tool_calls
    ]
    if not calls:
        return {"role": "assistant", "content": message.text}
    text = message.text if message.text.strip() else None
    return {"role": "assistant", "content": text, "tool_calls": calls}


def _continued(begun: Fields, answer: Fields) -> Fields:
    """Return an answer that was broken off, or imported in parts, as one with what follows."""
    texts = [text for text in (begun["content"], answer["content"]) if text]
    return {**answer, "content": "\n\n".join(texts)}


def _taken(dialect: Dialect, image: ImagePart) -> ImagePart | TextPart:
    is_taken = dialect.images == "all" or (dialect.images == "data" and image.url is None)
    return image if is_taken else TextPart(text=IMAGE_LEFT_OUT)


def _content(message: Message) -> str | list[Fields]:
    if len(message.content) == 1 and isinstance(message.content[0], TextPart):
        return message.text
    parts: list[Fields] = []
    for part in message.content:
        match part:
            case TextPart() if part.text.strip():
                parts.append(_text(part.text))
            case ImagePart():
                parts.append(_image(part))
            case AttachedFilePart():
                parts.append(_file(part))
            case _:
                pass
    # Servers for text alone take no list of parts.
    if all(part["type"] == "text" for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return parts


def _image(part: ImagePart) -> Fields:
    url = part.url or f"data:{part.media_type};base64,{part.base64}"
    return {"type": "image_url", "image_url": {"url": url}}


def _file(part: AttachedFilePart) -> Fields:
    data = f"data:{part.media_type};base64,{part.base64}"
    return {"type": "file", "file": {"filename": part.filename, "file_data": data}}


def _text(text: str) -> Fields:
    return {"type": "text", "text": text}


def _joined(first: str | list[Fields], second: str | list[Fields]) -> str | list[Fields]:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return _parts(first) + _parts(second)


def _parts(content: str | list[Fields]) -> list[Fields]:
    return [_text(content)] if isinstance(content, str) else content


def _known(item: Fields, names: Sequence[str]) -> Fields:
    """Return the fields that a server may have sent; an import may hold any others."""
    return {name: item[name] for name in names if isinstance(item.get(name), dict | list)}


class _ReasoningRule:
    """Decides which reasoning goes back with an answer."""

    def __init__(self, attempt: Attempt, dialect: Dialect) -> None:
        self._attempt = attempt
        self._dialect = dialect
        roles = [message.role for message in attempt.request.messages]
        self._turn = len(roles) - roles[::-1].index("user") if "user" in roles else 0

    def complete(self, answer: Fields, position: int, message: Message) -> None:
        """Add to an answer its reasoning, and what belongs to single calls of it."""
        calls: Sequence[Fields] = answer.get("tool_calls") or ()
        for block in self._blocks(position, message):
            if block.item is None:
                is_readable = block.thinking and block.field in REASONING_FIELDS
                if block.field and is_readable and self._dialect.readable_reasoning:
                    answer[block.field] = block.thinking
            elif block.on_call is None:
                answer.update(_known(block.item, OPAQUE_FIELDS))
            elif 0 <= block.on_call < len(calls):
                calls[block.on_call].update(_known(block.item, EXTRA_FIELDS))
        missing = self._dialect.unknown_reasoning
        if missing is not None and self._attempt.with_reasoning:
            answer.setdefault("reasoning_content", missing)
        # Its items hold the same text.
        if "reasoning_details" in answer:
            answer.pop("reasoning", None)
        if calls and self._dialect.foreign_call:
            self._mark_foreign_call(calls[0], message)

    def _mark_foreign_call(self, call: Fields, message: Message) -> None:
        # Older logs name no model, and hold nothing that came with a call.
        if message.model is None or not self._is_own(message):
            call.update({**(self._dialect.foreign_call or {}), **call})

    def _blocks(self, position: int, message: Message) -> Sequence[ThinkingBlock]:
        blocks = message.thinking_blocks
        if not blocks or not self._attempt.with_reasoning:
            return ()
        scope = self._dialect.reasoning
        is_due = scope == "always" or (scope == "turn" and position >= self._turn)
        return blocks if is_due and self._is_own(message) else ()

    def _is_own(self, message: Message) -> bool:
        request = self._attempt.request
        if self._dialect.is_gateway:
            return request.model_wrote(message)
        return request.provider_wrote(message)
