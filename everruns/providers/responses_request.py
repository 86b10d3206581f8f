"""The body of a request of OpenAI's Responses API.

Nothing is stored at the provider: each request brings the whole conversation, and the reasoning
of earlier answers in sealed form.

Source: https://platform.openai.com/docs/api-reference/responses/create and
https://platform.openai.com/docs/guides/reasoning.
"""

from typing import Any

from everruns.domain.messages import ImagePart, Message, TextPart, ThinkingBlock, ToolResultPart
from everruns.domain.parts import AttachedFilePart
from everruns.providers.attachments import OPENAI_FILES, sent_messages
from everruns.providers.base import ModelRequest
from everruns.providers.catalogue import api_of
from everruns.providers.concessions import Attempt
from everruns.providers.image_limits import OPENAI
from everruns.providers.output_rules import OPENAI_OUTPUT
from everruns.providers.output_schemas import OUTPUT_NAME, sent_output
from everruns.providers.tool_calls import json_text, result_parts, result_text, sent_ids
from everruns.providers.tool_rules import OPENAI_TOOLS, sent_name
from everruns.providers.tool_schemas import sent_tools

SEALED_REASONING = "reasoning.encrypted_content"

# Efforts that a model refuses become the lowest that it takes.
# Source: the models' pages under https://developers.openai.com/api/docs/models.
LOWEST_EFFORT = "low"
ALWAYS_REASONING = ("gpt-6-astra", "gpt-6.1-sol")
WITHOUT_MINIMAL = ("gpt-5.", "gpt-6")

PHASES = ("commentary", "final_answer")

Item = dict[str, Any]


def response_body(attempt: Attempt) -> dict[str, Any]:
    """Return the body that asks for one streamed response.

    Args:
        attempt: The request, and what is left out of it.
    """
    request = attempt.request
    controls = request.controls
    options = {
        "instructions": request.system_prompt or None,
        "max_output_tokens": controls.max_output_tokens,
        "temperature": controls.temperature,
        "top_p": controls.top_p,
    }
    body: dict[str, Any] = {
        "model": request.model.model_id,
        "input": _input(attempt),
        "store": False,
        "stream": True,
        **{name: value for name, value in options.items() if value is not None},
    }
    if _reasons(request):
        body["include"] = [SEALED_REASONING]
        body["reasoning"] = _reasoning(request)
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": False,
            }
            for tool in sent_tools(request, OPENAI_TOOLS)
        ]
        if request.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = request.parallel_tool_calls
    if (schema := sent_output(request, OPENAI_OUTPUT)) is not None:
        described = {"name": OUTPUT_NAME, "schema": schema, "strict": True}
        body["text"] = {"format": {"type": "json_schema", **described}}
    return body


def _reasons(request: ModelRequest) -> bool:
    """Tell whether the model takes options for reasoning; others refuse them."""
    model = request.model
    if model.profile and model.profile.reasoning is not None:
        return model.profile.reasoning
    # Of the models of which nobody says whether they reason, these all do.
    is_newer = api_of(model.provider_type, model.model_id) == "responses"
    return is_newer or request.effort is not None


def _reasoning(request: ModelRequest) -> dict[str, str]:
    model_id, effort = request.model.model_id, request.effort
    if effort == "none" and model_id.startswith(ALWAYS_REASONING):
        effort = LOWEST_EFFORT
    if effort == "minimal" and model_id.startswith(WITHOUT_MINIMAL):
        effort = LOWEST_EFFORT
    fields = {"effort": effort} if effort else {}
    return fields if effort == "none" else {**fields, "summary": "auto"}


def _input(attempt: Attempt) -> list[Item]:
    request = attempt.request
    ids = sent_ids(request)
    items: list[Item] = []
    for message in sent_messages(request, OPENAI, OPENAI_FILES):
        if message.role == "agent":
            is_own = attempt.with_reasoning and request.provider_wrote(message)
            items += _agent_items(message, ids, message.thinking_blocks if is_own else None)
        elif message.role == "tool_result":
            items += _results(message, ids)
        elif content := _content(message):
            items.append({"type": "message", "role": message.role, "content": content})
    return items


def _content(message: Message) -> list[Item]:
    return [
        _part(part)
        for part in message.content
        if isinstance(part, TextPart | ImagePart | AttachedFilePart)
    ]


def _part(part: TextPart | ImagePart | AttachedFilePart) -> Item:
    if isinstance(part, TextPart):
        return {"type": "input_text", "text": part.text}
    if isinstance(part, AttachedFilePart):
        data = f"data:{part.media_type};base64,{part.base64}"
        return {"type": "input_file", "filename": part.filename, "file_data": data}
    url = part.url or f"data:{part.media_type};base64,{part.base64}"
    # Servers that check requests by the SDK's types require the detail.
    return {"type": "input_image", "image_url": url, "detail": "auto"}


def _results(message: Message, ids: dict[str, str]) -> list[Item]:
    return [
        {
            "type": "function_call_output",
            "call_id": ids[part.tool_call_id],
            "output": _output(part),
        }
        for part in message.content
        if isinstance(part, ToolResultPart)
    ]


def _output(part: ToolResultPart) -> str | list[Item]:
    parts = result_parts(part)
    # Servers that know older forms take text alone.
    if all(isinstance(shown, TextPart) for shown in parts):
        return result_text(part)
    return [_part(shown) for shown in parts]


def _agent_items(
    message: Message, ids: dict[str, str], thoughts: list[ThinkingBlock] | None
) -> list[Item]:
    """Render an answer as the items it came in.

    Calls go without the provider's ids of their items, since such an id is refused without the
    reasoning that it came with.
    """
    calls: list[Item] = [
        {
            "type": "function_call",
            "call_id": ids[call.id],
            "name": sent_name(call.name),
            "arguments": json_text(call.arguments),
        }
        for call in message.tool_calls
    ]
    items: list[Item] = []
    shown = called = 0
    phase: str | None = None
    for thought in thoughts or ():
        if (item := thought.item) is None:
            continue
        # An import may hold any numbers; nothing is said twice.
        text_before = max(shown, thought.text_before)
        calls_before = max(called, thought.calls_before)
        items += _text_items(message.text[shown:text_before], phase)
        items += calls[called:calls_before]
        shown, called = text_before, calls_before
        if item.get("type") == "reasoning":
            items += [item] if _is_sealed(item) else []
        elif item.get("type") == "message" and item.get("phase") in PHASES:
            phase = item["phase"]
    items += _text_items(message.text[shown:], phase)
    items += calls[called:]
    # Reasoning is refused without the item that it led to, which an interrupted answer lacks.
    while items and items[-1]["type"] == "reasoning":
        items.pop()
    return items


def _is_sealed(item: Item) -> bool:
    """Tell whether reasoning has the form in which the provider wants it back."""
    has_id, sealed = isinstance(item.get("id"), str), item.get("encrypted_content")
    is_whole = has_id and isinstance(item.get("summary"), list)
    return is_whole and isinstance(sealed, str) and bool(sealed)


def _text_items(text: str, phase: str | None) -> list[Item]:
    if not text.strip():
        return []
    message = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text}],
    }
    return [message if phase is None else {**message, "phase": phase}]
