"""What Anthropic's Messages refuse in a request.

Source: https://platform.claude.com/docs/en/api/messages and the errors that people quote.
"""

import re
from collections.abc import Iterator
from typing import Any

from tests.vendors.file_rules import pdf_problems
from tests.vendors.image_rules import ANTHROPIC, Sent, image_problems
from tests.vendors.loading_rules import loading_problems
from tests.vendors.output_rules import anthropic_output
from tests.vendors.seals import is_sealed
from tests.vendors.tool_rules import NAMES, flat_root, tool_problems

Body = dict[str, Any]

FIELDS = frozenset(
    {
        *("model", "messages", "max_tokens", "stream", "system", "tools", "tool_choice"),
        *("temperature", "top_p", "top_k", "thinking", "stop_sequences", "metadata"),
        *("output_config", "service_tier", "context_management", "container"),
    }
)
BLOCK_FIELDS = {
    "text": {"text"},
    "image": {"source"},
    "document": {"source", "title", "context", "citations"},
    "tool_use": {"id", "name", "input"},
    "tool_result": {"tool_use_id", "content", "is_error"},
    "thinking": {"thinking", "signature"},
    "redacted_thinking": {"data"},
    "tool_reference": {"tool_name"},
}
ID = re.compile(r"[a-zA-Z0-9_-]+")


def problems(body: Body) -> Iterator[str]:
    """Yield what is wrong with a request."""
    for name in sorted(set(body) - FIELDS):
        yield f"{name}: Extra inputs are not permitted"
    if not isinstance(body.get("max_tokens"), int):
        yield "max_tokens: Field required"
    messages = body.get("messages") or []
    if not messages or messages[0]["role"] != "user":
        yield 'messages: first message must use the "user" role'
    for at, message in enumerate(messages):
        if message["role"] not in {"user", "assistant"}:
            yield f"messages.{at}.role: Input should be 'user' or 'assistant'"
        if not message["content"]:
            yield f"messages.{at}: all messages must have non-empty content"
        for block in message["content"]:
            yield from _block_problems(f"messages.{at}", block)
    yield from image_problems(ANTHROPIC, _images(messages), body)
    yield from tool_problems(
        (tool["name"], tool["input_schema"]) for tool in body.get("tools") or ()
    )
    for tool in body.get("tools") or ():
        yield from flat_root(tool["input_schema"])
    if described := body.get("output_config", {}).get("format"):
        yield from anthropic_output(described)
    yield from loading_problems(body)
    yield from _pairs(messages)
    if messages and messages[-1]["role"] != "user":
        # Source: https://platform.claude.com/docs/en/about-claude/models/whats-new-claude-4-6.
        yield "This model does not support assistant message prefill."
    yield from _thinking_first(body, messages)
    if body.get("thinking", {}).get("type") == "enabled":
        if body["thinking"]["budget_tokens"] >= body["max_tokens"]:
            yield "`max_tokens` must be greater than `thinking.budget_tokens`."
        if body.get("temperature", 1) != 1:
            yield "`temperature` may only be set to 1 when thinking is enabled."


def _block_problems(where: str, block: Body) -> Iterator[str]:
    kind = block.get("type")
    if kind not in BLOCK_FIELDS:
        yield f"{where}: unknown block {kind!r}"
        return
    for name in sorted(set(block) - BLOCK_FIELDS[kind] - {"type", "cache_control"}):
        yield f"{where}.{kind}.{name}: Extra inputs are not permitted"
    if kind == "text" and not block["text"].strip():
        yield "messages: text content blocks must contain non-whitespace text"
    if kind == "tool_use" and not ID.fullmatch(block["id"]):
        yield f"{where}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"
    if kind == "tool_use" and not NAMES.fullmatch(block["name"]):
        yield f"{where}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'"
    if kind == "thinking" and not is_sealed("anthropic", block["signature"]):
        yield f"{where}: Invalid `signature` in `thinking` block"
    if kind == "tool_result" and isinstance(block["content"], list):
        for inner in block["content"]:
            # Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/implement-tool-use.
            is_known = inner.get("type") in {"text", "image", "document", "tool_reference"}
            if not is_known or block.get("is_error"):
                yield f"{where}.tool_result.content: unexpected block {inner.get('type')!r}"
            yield from _block_problems(f"{where}.tool_result", inner)
    if kind == "document":
        # Source: https://platform.claude.com/docs/en/build-with-claude/pdf-support.
        yield from pdf_problems(block["source"]["media_type"], block["source"]["data"])
    if kind == "image" and block["source"]["type"] not in {"base64", "url"}:
        yield f"{where}.image.source: unknown type"


def _images(messages: list[Body]) -> Iterator[Sent]:
    for message in messages:
        for block in message["content"]:
            inner = block.get("content")
            for shown in [block, *(inner if isinstance(inner, list) else ())]:
                if shown.get("type") == "image":
                    source = shown["source"]
                    yield Sent(source.get("media_type"), source.get("data"), source.get("url"))


def _pairs(messages: list[Body]) -> Iterator[str]:
    used = [
        block["id"]
        for message in messages
        for block in message["content"]
        if block["type"] == "tool_use"
    ]
    if len(set(used)) != len(used):
        yield "messages: `tool_use` ids must be unique"
    due: set[str] = set()
    for at, message in enumerate(messages):
        given = [block for block in message["content"] if block["type"] == "tool_result"]
        if message["content"][: len(given)] != given:
            yield f"messages.{at}: tool_result blocks must come first"
        ids = {block["tool_use_id"] for block in given}
        if len(ids) != len(given):
            yield f"messages.{at}: each tool_use must have a single result"
        if ids - due:
            yield f"messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks"
        if due - ids:
            yield f"messages.{at}: `tool_use` ids were found without `tool_result` blocks"
        due = {block["id"] for block in message["content"] if block["type"] == "tool_use"}
    if due:
        yield "`tool_use` ids were found without `tool_result` blocks at the end"


def _thinking_first(body: Body, messages: list[Body]) -> Iterator[str]:
    """While tools are in use, an answer with thinking begins with it, if thinking has a budget.

    Source: https://platform.claude.com/docs/en/build-with-claude/extended-thinking, "Preserving
    thinking blocks".
    """
    if body.get("thinking", {}).get("type") != "enabled":
        return
    for message in reversed(messages):
        if message["role"] == "user":
            if not any(block["type"] == "tool_result" for block in message["content"]):
                return
        elif message["content"][0]["type"] not in {"thinking", "redacted_thinking"}:
            yield "Expected `thinking` or `redacted_thinking`, but found `tool_use`."
