"""What OpenAI's Responses API refuses in a request that stores nothing.

Source: https://platform.openai.com/docs/api-reference/responses/create and the errors that people
quote: https://github.com/vercel/ai/issues/7543, https://github.com/openai/codex/issues/8145.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from tests.vendors.file_rules import file_problems
from tests.vendors.image_rules import OPENAI, Sent, image_problems
from tests.vendors.output_rules import openai_output
from tests.vendors.seals import is_sealed
from tests.vendors.tool_rules import NAMES, flat_root, tool_problems

Body = dict[str, Any]

FIELDS = frozenset(
    {
        *("model", "input", "instructions", "stream", "store", "include", "reasoning"),
        *("tools", "tool_choice", "temperature", "top_p", "parallel_tool_calls"),
        *("max_output_tokens", "metadata", "text", "truncation", "service_tier", "user"),
        *("prompt_cache_key", "previous_response_id"),
    }
)
ITEM_FIELDS = {
    "message": {"role", "content", "phase", "id", "status"},
    "function_call": {"call_id", "name", "arguments", "id", "status"},
    "function_call_output": {"call_id", "output", "id", "status"},
    "reasoning": {"encrypted_content", "summary", "content", "id", "status"},
}
PARTS = {"assistant": {"output_text", "refusal"}}
GIVEN_PARTS = {"input_text", "input_image", "input_file"}


def problems(body: Body) -> Iterator[str]:
    """Yield what is wrong with a request."""
    for name in sorted(set(body) - FIELDS):
        yield f"Unknown parameter: '{name}'."
    if body.get("store") is not False:
        yield "The conversation would be stored."
    items: list[Body] = body.get("input") or []
    if not items:
        yield "Missing required parameter: 'input'."
    for at, item in enumerate(items):
        yield from _item_problems(at, item)
    yield from _pairs(items)
    for at, item in enumerate(items):
        after = items[at + 1] if at + 1 < len(items) else {}
        is_answer = after.get("type") in {"function_call", "reasoning"} or (
            after.get("role") == "assistant"
        )
        if item.get("type") == "reasoning" and not is_answer:
            yield "Item of type 'reasoning' was provided without its required following item."
    for tool in body.get("tools") or ():
        if tool.get("type") != "function" or "name" not in tool or "function" in tool:
            yield "Missing required parameter: 'tools[0].name'."
        yield from flat_root(tool.get("parameters") or {})
    tools = body.get("tools") or ()
    yield from tool_problems((tool.get("name", ""), tool["parameters"]) for tool in tools)
    yield from image_problems(OPENAI, _images(items), body)
    if described := body.get("text", {}).get("format"):
        yield from openai_output(described)


def _item_problems(at: int, item: Body) -> Iterator[str]:
    kind = item.get("type", "message")
    if kind not in ITEM_FIELDS:
        yield f"Invalid value: '{kind}'. Supported values are: {sorted(ITEM_FIELDS)}."
        return
    for name in sorted(set(item) - ITEM_FIELDS[kind] - {"type"}):
        yield f"Unknown parameter: 'input[{at}].{name}'."
    if kind == "message" and not isinstance(item["content"], str):
        known = PARTS.get(item["role"], GIVEN_PARTS)
        for part in item["content"]:
            if part["type"] == "input_file":
                yield from file_problems(part)
            if part["type"] not in known:
                yield f"Invalid value: '{part['type']}'. Supported values are: {sorted(known)}."
    if kind == "function_call_output" and not isinstance(item["output"], str):
        if not item["output"]:
            yield f"Invalid 'input[{at}].output': empty array."
        for part in item["output"]:
            if part["type"] not in GIVEN_PARTS:
                yield f"Invalid value: '{part['type']}'. Supported: {sorted(GIVEN_PARTS)}."
    if kind == "function_call" and not NAMES.fullmatch(item["name"]):
        yield f"Invalid 'input[{at}].name': string does not match pattern '^[a-zA-Z0-9_-]+$'."
    if kind == "function_call" and not isinstance(orjson.loads(item["arguments"]), dict):
        yield f"input[{at}].arguments is not an object"
    if kind == "reasoning":
        if not item.get("encrypted_content"):
            yield (
                f"Item with id '{item.get('id')}' not found. Items are not persisted when `store` "
                "is set to false."
            )
        elif not is_sealed("openai-responses", item["encrypted_content"]):
            yield "The encrypted content could not be verified."
        if "summary" not in item:
            yield f"Missing required parameter: 'input[{at}].summary'."


def _images(items: list[Body]) -> Iterator[Sent]:
    for item in items:
        content = item.get("content") or item.get("output")
        for part in content if isinstance(content, list) else ():
            if part.get("type") == "input_image":
                yield Sent.at(part["image_url"])


def _pairs(items: list[Body]) -> Iterator[str]:
    called = [item["call_id"] for item in items if item.get("type") == "function_call"]
    returned = [item["call_id"] for item in items if item.get("type") == "function_call_output"]
    if len(set(called)) != len(called):
        yield "Duplicate item found with one call_id."
    if len(set(returned)) != len(returned):
        yield "Duplicate function_call_output for one call_id."
    for call_id in set(called) - set(returned):
        yield f"No tool output found for function call {call_id}."
    for call_id in set(returned) - set(called):
        yield f"No tool call found for function call output with call_id {call_id}."
    if any(len(call_id) > 64 for call_id in called):
        yield "Invalid 'call_id': string too long."
