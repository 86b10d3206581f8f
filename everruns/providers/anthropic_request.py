"""The body of a request of Anthropic's Messages API.

Source: https://platform.claude.com/docs/en/api/messages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from everruns.domain.deferred_tools import called_once_found, found_by_searches
from everruns.domain.messages import ImagePart, Message, TextPart, ThinkingBlock, ToolResultPart
from everruns.domain.parts import AttachedFilePart
from everruns.providers.attachments import ANTHROPIC_FILES, sent_messages
from everruns.providers.base import ModelRequest
from everruns.providers.concessions import Attempt
from everruns.providers.image_limits import ANTHROPIC
from everruns.providers.loaded_tools import DEFER_LOADING
from everruns.providers.output_rules import ANTHROPIC_OUTPUT
from everruns.providers.output_schemas import sent_output
from everruns.providers.tool_calls import result_parts, result_text, sent_ids
from everruns.providers.tool_rules import ANTHROPIC_TOOLS, sent_name
from everruns.providers.tool_schemas import sent_tools

DEFAULT_MAX_TOKENS = 8192
CALL_ID = r"[a-zA-Z0-9_-]{1,64}"
CACHED = {"type": "ephemeral"}

# Models before adaptive thinking take a budget of tokens; all later ones take an effort.
BUDGET_MODELS = (
    "claude-3-7",
    "claude-haiku-4",
    "claude-opus-4-0",
    "claude-opus-4-1",
    "claude-opus-4-2",
    "claude-opus-4-5",
    "claude-sonnet-4-0",
    "claude-sonnet-4-2",
    "claude-sonnet-4-5",
)
SMALLEST_BUDGET = 1024
BUDGETS = {"low": 2048, "medium": 8192, "high": 24576, "xhigh": 49152}
# Newer models cannot be told not to think at all.
EFFORTS = {"none": "low", "minimal": "low"}

Block = dict[str, Any]


def message_body(attempt: Attempt) -> dict[str, Any]:
    """Return the body that asks for one streamed message.

    Args:
        attempt: The request, and what is left out of it.
    """
    request, with_thinking = attempt.request, attempt.with_reasoning
    if not request.tools:
        request = replace(request, deferred=())
    profile = request.model.profile
    limits = profile.limits if profile else None
    controls = request.controls
    most = limits.output if limits else None
    max_tokens = most or DEFAULT_MAX_TOKENS
    if wanted := controls.max_output_tokens:
        max_tokens = min(wanted, most) if most else wanted
    body: dict[str, Any] = {
        "model": request.model.model_id,
        "max_tokens": max_tokens,
        "messages": _messages(request, with_thinking=with_thinking),
        "stream": True,
    }
    sampling = {
        "temperature": controls.temperature,
        "top_p": controls.top_p,
        "stop_sequences": controls.stop,
    }
    body.update({name: value for name, value in sampling.items() if value is not None})
    if request.system_prompt.strip():
        body["system"] = [_cached({"type": "text", "text": request.system_prompt})]
    if request.tools:
        found_later = replace(request, tools=request.deferred)
        body["tools"] = [
            *_tools(request),
            *({**tool, DEFER_LOADING: True} for tool in _tools(found_later)),
        ]
        if request.parallel_tool_calls is False:
            body["tool_choice"] = {"type": "auto", "disable_parallel_tool_use": True}
    body.update(_thinking(request, body["max_tokens"], with_budget=with_thinking))
    if (schema := sent_output(request, ANTHROPIC_OUTPUT)) is not None:
        config = body.setdefault("output_config", {})
        config["format"] = {"type": "json_schema", "schema": schema}
    return body


def _tools(request: ModelRequest) -> list[dict[str, Any]]:
    return [
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": tool.parameters,
        }
        for tool in sent_tools(request, ANTHROPIC_TOOLS)
    ]


def _thinking(request: ModelRequest, max_tokens: int, *, with_budget: bool) -> dict[str, Any]:
    """Return the fields that say how hard to think.

    Source: https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking.
    """
    if request.model.profile and request.model.profile.reasoning is False:
        return {}
    effort = request.effort
    if request.model.model_id.startswith(BUDGET_MODELS):
        budget = min(BUDGETS.get(effort or "none", 0), max_tokens // 2)
        # A budget asks for thinking in the transcript, so it goes when that went.
        if budget < SMALLEST_BUDGET or not with_budget:
            return {}
        return {"thinking": {"type": "enabled", "budget_tokens": budget}}
    fields: dict[str, Any] = {}
    if request.model.profile or effort:
        fields["thinking"] = {"type": "adaptive", "display": "summarized"}
    if effort:
        fields["output_config"] = {"effort": EFFORTS.get(effort, effort)}
    return fields


def _messages(request: ModelRequest, *, with_thinking: bool) -> list[dict[str, Any]]:
    """Render the transcript as turns of user and assistant, which must alternate."""
    found = found_by_searches(request.messages, {tool.name for tool in request.deferred})
    if found:
        request = replace(request, messages=called_once_found(request.messages, found))
    ids = sent_ids(request, CALL_ID)
    turns: list[dict[str, Any]] = []
    for message in sent_messages(request, ANTHROPIC, ANTHROPIC_FILES):
        role = "assistant" if message.role == "agent" else "user"
        if role == "assistant":
            is_own = with_thinking and request.provider_wrote(message)
            thoughts = message.thinking_blocks if is_own else None
            blocks = _agent_blocks(message, ids, thoughts or ())
        else:
            blocks = _user_blocks(message, ids, found)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    if turns and turns[-1]["role"] == "user":
        turns[-1]["content"][-1] = _cached(turns[-1]["content"][-1])
    return turns


def _cached(block: Block) -> Block:
    """Mark the end of a prefix that later calls will share."""
    return {**block, "cache_control": CACHED}


def _user_blocks(
    message: Message, ids: dict[str, str], found: Mapping[str, Sequence[str]]
) -> list[Block]:
    blocks: list[Block] = []
    for part in message.content:
        match part:
            case TextPart():
                blocks += _text_blocks(part.text)
            case ImagePart():
                blocks.append(_image(part))
            case AttachedFilePart():
                source = {"type": "base64", "media_type": part.media_type, "data": part.base64}
                blocks.append({"type": "document", "source": source, "title": part.filename})
            case ToolResultPart():
                blocks.append(
                    {
                        "type": "tool_result",
                        "tool_use_id": ids[part.tool_call_id],
                        "content": _references(found.get(part.tool_call_id, ())) or _result(part),
                        "is_error": part.error is not None,
                    }
                )
            case _:
                pass
    return blocks


def _image(part: ImagePart) -> Block:
    if part.url:
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    source = {"type": "base64", "media_type": part.media_type, "data": part.base64}
    return {"type": "image", "source": source}


def _references(names: Sequence[str]) -> list[Block]:
    """Refer to tools, whose definitions stand in their place. Nothing else may be next to them."""
    return [{"type": "tool_reference", "tool_name": sent_name(name)} for name in names]


def _result(part: ToolResultPart) -> str | list[Block]:
    parts = result_parts(part)
    if all(isinstance(shown, TextPart) for shown in parts):
        return result_text(part)
    return [
        _image(shown) if isinstance(shown, ImagePart) else {"type": "text", "text": shown.text}
        for shown in parts
    ]


def _agent_blocks(
    message: Message, ids: dict[str, str], thoughts: Sequence[ThinkingBlock]
) -> list[Block]:
    """Render an answer with its thinking where it stood."""
    text = message.text
    calls = [
        {
            "type": "tool_use",
            "id": ids[call.id],
            "name": sent_name(call.name),
            "input": call.arguments,
        }
        for call in message.tool_calls
    ]
    blocks: list[Block] = []
    shown = called = 0
    for thought in thoughts:
        if sealed := _sealed(thought):
            # An import may hold any numbers; nothing is said twice.
            text_before = max(shown, thought.text_before)
            calls_before = max(called, thought.calls_before)
            blocks += _text_blocks(text[shown:text_before])
            blocks += calls[called:calls_before]
            blocks.append(sealed)
            shown, called = text_before, calls_before
    return [*blocks, *_text_blocks(text[shown:]), *calls[called:]]


def _sealed(thought: ThinkingBlock) -> Block | None:
    """Render thinking that this provider will know as its own; other providers sign nothing."""
    if thought.redacted is not None:
        return {"type": "redacted_thinking", "data": thought.redacted}
    if thought.signature is None:
        return None
    return {"type": "thinking", "thinking": thought.thinking, "signature": thought.signature}


def _text_blocks(text: str) -> list[Block]:
    # Blank text is refused.
    return [{"type": "text", "text": text}] if text.strip() else []
