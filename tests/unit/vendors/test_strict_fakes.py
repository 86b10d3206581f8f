"""The vendors' fakes refuse what the vendors are known to refuse, and nothing else."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.vendors.seals import SKIP_SIGNATURE, seal
from tests.vendors.table import VENDORS, all_problems, problem

Body = dict[str, Any]

PARAMETERS = {"type": "object", "properties": {"a": {"type": "number"}}}
CHAT: Body = {
    "model": "a-model",
    "stream": True,
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Six times seven?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "aB3dE6gH9",
                    "type": "function",
                    "function": {"name": "multiply", "arguments": '{"a":6}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "aB3dE6gH9", "content": "42"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "multiply", "parameters": PARAMETERS}},
    ],
}
MESSAGES: Body = {
    "model": "claude",
    "max_tokens": 4096,
    "stream": True,
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Six times seven?"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": seal("anthropic", 1)},
                {"type": "tool_use", "id": "toolu_1", "name": "multiply", "input": {"a": 6}},
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "42"}],
        },
    ],
    "tools": [{"name": "multiply", "input_schema": PARAMETERS}],
}
RESPONSES: Body = {
    "model": "gpt",
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Six times seven?"}]},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [],
            "encrypted_content": seal("openai-responses", 1),
        },
        {"type": "function_call", "call_id": "call_1", "name": "multiply", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "42"},
    ],
    "tools": [{"type": "function", "name": "multiply", "parameters": PARAMETERS, "strict": False}],
}
GOOD = {"chat": CHAT, "messages": MESSAGES, "responses": RESPONSES}
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
PNG = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
PNG_AS_JPEG = {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{PIXEL}"}}
SVG = {"type": "image_url", "image_url": {"url": "data:image/svg+xml;base64,PHN2Zy8+"}}
CHOICE = {"type": "object", "properties": {}, "anyOf": [{"required": ["a"]}]}
FOREIGN = {"type": "object", "properties": {"größe": {"type": "number"}}}
LINKED = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}


def good(vendor: str) -> Body:
    """A request that the vendor accepts."""
    body = deepcopy(GOOD[VENDORS[vendor].wire])
    if vendor in {"deepseek", "moonshot"}:
        body["messages"][2]["reasoning_content"] = "Hm."
    if vendor == "gemini":
        signature = {"google": {"thought_signature": seal("gemini", 1)}}
        body["messages"][2]["tool_calls"][0]["extra_content"] = signature
    return body


def sets(*path: Any) -> Callable[[Body], None]:
    """Set what a path leads to; the last entry is the value."""
    *way, name, value = path

    def change(body: Body) -> None:
        place: Any = body
        for step in way:
            place = place[step]
        place[name] = value

    return change


def removes(*path: Any) -> Callable[[Body], None]:
    *way, name = path

    def change(body: Body) -> None:
        place: Any = body
        for step in way:
            place = place[step]
        del place[name]

    return change


def adds(list_name: str, *entries: Any) -> Callable[[Body], None]:
    return lambda body: body[list_name].extend(entries)


def cuts(list_name: str, length: int) -> Callable[[Body], None]:
    return lambda body: body.update({list_name: body[list_name][:length]})


def renames_call(body: Body) -> None:
    body["messages"][2]["tool_calls"][0]["id"] = "call_1"
    body["messages"][3]["tool_call_id"] = "call_1"


FUNCTION = ("tools", 0, "function")
ANSWER = {"role": "assistant", "content": "42"}
USER = {"role": "user", "content": "Thanks."}
CALL = ("messages", 2, "tool_calls", 0)
SIGNATURE = (*CALL, "extra_content", "google", "thought_signature")


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendor_accepts_what_is_right(vendor: str):
    assert problem(vendor, good(vendor)) is None


@pytest.mark.parametrize(
    ("vendor", "change", "words"),
    [
        ("openai", sets("top_k", 4), "Unknown parameter: 'top_k'"),
        ("openai", sets("messages", 2, "reasoning_content", "Hm."), "reasoning_content"),
        ("openai", removes("messages", 3), "have no results"),
        ("openai", sets("messages", 3, "tool_call_id", "another"), "must be a response"),
        ("openai", sets(*CALL, "function", "arguments", {"a": 6}), "not a JSON object"),
        ("openai", sets(*CALL, "function", "name", "multiply it"), "does not match"),
        ("openai", sets("messages", 1, "content", None), "got null"),
        ("openai", sets("tools", 0, "function", "parameters", {}), "missing properties"),
        ("openai", sets("messages", 1, "role", "agent"), "unknown role"),
        ("openai", adds("messages", ANSWER), "Expected last role User or Tool"),
        ("openai", sets("messages", 1, "content", [PNG_AS_JPEG]), "does not match the provided"),
        ("openai", sets("messages", 1, "content", [SVG]), "Unsupported image type"),
        ("openai", sets(*FUNCTION, "description", "x" * 1025), "string too long"),
        ("openai", sets(*FUNCTION, "parameters", CHOICE), "anyOf at the top level"),
        ("openai", adds("tools", *CHAT["tools"]), "must be unique"),
        ("mistral", sets("messages", 1, "content", [PNG] * 9), "Too many images"),
        ("xai", sets("messages", 1, "content", [SVG]), "Unsupported image type"),
        ("gemini", sets(*FUNCTION, "name", "1st"), "Must start with a letter"),
        ("gemini", sets(*FUNCTION, "parameters", "$schema", "x"), 'Unknown name "$schema"'),
        ("bedrock", sets(*FUNCTION, "parameters", FOREIGN), "Property keys should match"),
        ("bedrock", sets("messages", 1, "content", " "), "is blank"),
        ("bedrock", removes("tools"), "without `tools=`"),
        ("gemini", sets("seed", 1), 'Unknown name "seed"'),
        ("gemini", removes(*CALL, "extra_content"), "missing a thought_signature"),
        ("gemini", sets(*SIGNATURE, seal("openrouter", 1)), "Corrupted thought signature"),
        ("mistral", sets("seed", 1), "seed: Extra inputs are not permitted"),
        ("mistral", sets("stream_options", {"include_usage": True}), "Extra inputs"),
        ("mistral", sets("messages", 2, "reasoning_content", "Hm."), "Extra inputs"),
        ("mistral", renames_call, "with a length of 9"),
        ("mistral", adds("messages", USER), "Unexpected role 'user' after role 'tool'"),
        ("deepseek", removes("messages", 2, "reasoning_content"), "must be passed back"),
        ("deepseek", sets("messages", 1, "content", [PNG]), "unknown variant `image_url`"),
        ("moonshot", sets("messages", 2, "reasoning_content", ""), "reasoning_content is missing"),
        (
            "moonshot",
            adds("messages", {"role": "assistant", "content": ""}, USER),
            "must not be empty",
        ),
        ("moonshot", sets("messages", 1, "content", [LINKED]), "unsupported image url"),
        ("xai", sets("stop", ["x"]), "Argument not supported on this model: stop"),
        ("groq", sets("messages", 2, "reasoning", "Hm."), "reasoning' is unsupported"),
        (
            "openrouter",
            sets("messages", 2, "reasoning_details", [{"type": "reasoning.text", "text": "Hm."}]),
            "Invalid signature",
        ),
        ("openrouter", sets("messages", 2, "reasoning", "Hm."), "Invalid signature"),
        ("litellm", removes("tools"), "without `tools=`"),
        ("vllm", adds("messages", {"role": "assistant", "content": "42"}, USER, USER), "alternate"),
        ("ollama", sets("messages", 1, "content", [LINKED]), "not currently supported"),
        ("anthropic", sets("seed", 1), "seed: Extra inputs are not permitted"),
        ("anthropic", removes("max_tokens"), "max_tokens: Field required"),
        ("anthropic", removes("messages", 0), 'must use the "user" role'),
        ("anthropic", removes("messages", 1, "content", 0), "Expected `thinking`"),
        ("anthropic", sets("messages", 1, "content", 0, "signature", "x"), "Invalid `signature`"),
        ("anthropic", sets("messages", 0, "content", 0, "text", " "), "non-whitespace"),
        ("anthropic", removes("messages", 2), "without `tool_result`"),
        (
            "anthropic",
            adds("messages", {**MESSAGES["messages"][0], "role": "assistant"}),
            "prefill",
        ),
        ("anthropic", sets("messages", 1, "content", 1, "name", "a.b"), "should match pattern"),
        ("anthropic", sets("tools", 0, "input_schema", CHOICE), "anyOf at the top level"),
        ("anthropic", sets("temperature", 0.5), "may only be set to 1"),
        ("openai-responses", sets("stop", ["x"]), "Unknown parameter: 'stop'"),
        ("openai-responses", sets("store", True), "would be stored"),
        ("openai-responses", sets("input", 1, "encrypted_content", None), "not persisted"),
        ("openai-responses", sets("input", 1, "encrypted_content", "x"), "could not be verified"),
        ("openai-responses", cuts("input", 2), "without its required following item"),
        ("openai-responses", removes("input", 3), "No tool output found"),
        ("openai-responses", sets("input", 0, "content", 0, "type", "text"), "Invalid value"),
    ],
)
def test_a_vendor_refuses_what_is_wrong(vendor: str, change: Callable[[Body], None], words: str):
    body = good(vendor)
    change(body)

    refusal = problem(vendor, body)

    assert refusal is not None
    assert words in refusal


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_is_right_is_of_the_type_that_the_sdk_declares(vendor: str):
    assert all_problems(vendor, good(vendor)) == []


@pytest.mark.parametrize(
    ("vendor", "change", "place"),
    [
        ("openai", sets("messages", 1, "content", [{"type": "text"}]), "text: Field required"),
        ("anthropic", sets("messages", 1, "content", 1, "cost", 1), "Extra inputs"),
        ("openai-responses", removes("tools", 0, "strict"), "strict: Field required"),
    ],
)
def test_what_no_sdk_would_send_is_refused(vendor: str, change: Callable[[Body], None], place: str):
    body = good(vendor)
    change(body)

    assert any(place in words for words in all_problems(vendor, body))


def test_gemini_takes_its_own_word_in_place_of_a_signature():
    body = good("gemini")
    sets(*SIGNATURE, SKIP_SIGNATURE)(body)

    assert problem("gemini", body) is None


def test_gemini_does_not_check_earlier_turns():
    body = good("gemini")
    removes(*CALL, "extra_content")(body)
    adds("messages", {"role": "assistant", "content": "42."}, USER)(body)

    assert problem("gemini", body) is None
