"""What the fakes answer: to a user two calls of the first tool, to its results a text.

Each answer begins with reasoning, in its vendor's form.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from tests.vendors.seals import seal

Body = dict[str, Any]
Event = dict[str, Any]

ARGUMENTS = ('{"a": 6, "b": 7}', '{"a": 2, "b": 3}')
THOUGHT = "Two products are wanted."


@dataclass(frozen=True)
class Speech:
    """How a server of Chat Completions words its answers.

    Attributes:
        reasoning: Where its reasoning stands; ``None`` if it shows none.
        call_id: The form of its ids of calls.
        has_index: Whether calls have an ``index``.
        whole_calls: Whether each call comes in one piece.
        signs_calls: Whether the first call has a signature.
        says_tool_calls: Whether it ends with ``tool_calls``, and not with ``stop``.
    """

    reasoning: Literal["reasoning_content", "reasoning", "reasoning_details", "parts"] | None = None
    call_id: str = "call_{:020d}"
    has_index: bool = True
    whole_calls: bool = False
    signs_calls: bool = False
    says_tool_calls: bool = True


def said_by(vendor: str, body: Body) -> str:
    """Return the text with which a vendor answers a request."""
    count = len(body.get("messages") or body.get("input") or ())
    return f"{vendor} has read {count} entries, née 🙂, and says 42 and 6."


def chat_answer(vendor: str, speech: Speech, body: Body) -> Iterator[bytes]:
    """Return a stream of Chat Completions."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": body["model"]}
    asks = body["messages"][-1]["role"] != "tool" and bool(body.get("tools"))
    number = len(body["messages"])
    deltas = [{"role": "assistant", "content": ""}, *_reasoning(vendor, speech, number)]
    if asks:
        deltas += _calls(speech, body["tools"][0]["function"]["name"], number)
    else:
        deltas += [{"content": piece} for piece in _halves(said_by(vendor, body))]
    finish = "tool_calls" if asks and speech.says_tool_calls else "stop"
    for delta in deltas:
        yield _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    usage = {"prompt_tokens": 100 + number, "completion_tokens": 20, "total_tokens": 120 + number}
    yield _event({**head, "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _reasoning(vendor: str, speech: Speech, number: int) -> Iterator[Event]:
    match speech.reasoning:
        case None:
            return
        case "parts":
            for piece in _halves(THOUGHT):
                thinking = [{"type": "text", "text": piece}]
                yield {"content": [{"type": "thinking", "thinking": thinking}]}
        case "reasoning_details":
            detail = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
            for piece in _halves(THOUGHT):
                yield {"reasoning": piece, "reasoning_details": [{**detail, "text": piece}]}
            yield {"reasoning_details": [{**detail, "signature": seal(vendor, number)}]}
        case field:
            for piece in _halves(THOUGHT):
                yield {field: piece}


def _calls(speech: Speech, name: str, number: int) -> Iterator[Event]:
    for at, arguments in enumerate(ARGUMENTS):
        index = {"index": at} if speech.has_index else {}
        first = {
            **index,
            "id": speech.call_id.format(2 * number + at),
            "type": "function",
            "function": {"name": name, "arguments": arguments if speech.whole_calls else ""},
        }
        if speech.signs_calls and at == 0:
            first["extra_content"] = {"google": {"thought_signature": seal("gemini", number)}}
        if not speech.has_index:
            first["function"]["arguments"] = arguments
        yield {"tool_calls": [first]}
        if not first["function"]["arguments"]:
            for piece in _halves(arguments):
                yield {"tool_calls": [{**index, "function": {"arguments": piece}}]}


def messages_answer(vendor: str, _speech: Speech, body: Body) -> Iterator[bytes]:
    """Return a stream of Messages."""
    number = len(body["messages"])
    last = body["messages"][-1]["content"]
    asks = bool(body.get("tools")) and not any(block["type"] == "tool_result" for block in last)
    usage = {"input_tokens": 100 + number, "output_tokens": 1}
    message = {"id": "msg_1", "role": "assistant", "model": body["model"], "usage": usage}
    yield _named({"type": "message_start", "message": message})
    thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in _halves(THOUGHT)]
    signature = {"type": "signature_delta", "signature": seal(vendor, number)}
    yield from _block(
        0, {"type": "thinking", "thinking": "", "signature": ""}, *thoughts, signature
    )
    if asks:
        for at, arguments in enumerate(ARGUMENTS):
            name = body["tools"][0]["name"]
            call_id = f"toolu_{2 * number + at:022d}"
            call = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
            pieces = [
                {"type": "input_json_delta", "partial_json": piece} for piece in _halves(arguments)
            ]
            yield from _block(1 + at, call, *pieces)
    else:
        words = [{"type": "text_delta", "text": piece} for piece in _halves(said_by(vendor, body))]
        yield from _block(1, {"type": "text", "text": ""}, *words)
    reason = {"stop_reason": "tool_use" if asks else "end_turn"}
    yield _named({"type": "message_delta", "delta": reason, "usage": {"output_tokens": 20}})
    yield _named({"type": "message_stop"})


def _block(index: int, start: Event, *deltas: Event) -> Iterator[bytes]:
    yield _named({"type": "content_block_start", "index": index, "content_block": start})
    for delta in deltas:
        yield _named({"type": "content_block_delta", "index": index, "delta": delta})
    yield _named({"type": "content_block_stop", "index": index})


def responses_answer(vendor: str, _speech: Speech, body: Body) -> Iterator[bytes]:
    """Return a stream of the Responses API."""
    number = len(body["input"])
    asks = bool(body.get("tools")) and body["input"][-1].get("type") != "function_call_output"
    summary = [{"type": "summary_text", "text": THOUGHT}]
    items: list[Event] = []
    if "reasoning.encrypted_content" in body.get("include", ()):
        sealed = seal(vendor, number)
        reasoning = {"type": "reasoning", "id": f"rs_{number}", "encrypted_content": sealed}
        items.append({**reasoning, "summary": summary})
    if asks:
        for at, arguments in enumerate(ARGUMENTS):
            call = {"type": "function_call", "id": f"fc_{number}_{at}", "arguments": arguments}
            call_id = f"call_{2 * number + at:024d}"
            items.append({**call, "call_id": call_id, "name": body["tools"][0]["name"]})
    else:
        part = {"type": "output_text", "text": said_by(vendor, body), "annotations": []}
        items.append({"type": "message", "id": "msg_1", "role": "assistant", "content": [part]})
    response = {"id": "resp_1", "object": "response", "model": body["model"], "output": items}
    yield _named({"type": "response.created", "response": {**response, "output": []}})
    for index, item in enumerate(items):
        yield from _item(index, item)
    usage = {"input_tokens": 100 + number, "output_tokens": 20, "total_tokens": 120 + number}
    done = {**response, "status": "completed", "usage": usage}
    yield _named({"type": "response.completed", "response": done})


def _item(index: int, item: Event) -> Iterator[bytes]:
    place = {"output_index": index, "item_id": item["id"]}
    begun = {**item, "status": "in_progress"}
    for grown in ("arguments", "content", "summary"):
        if grown in item:
            begun[grown] = "" if grown == "arguments" else []
    yield _named({"type": "response.output_item.added", "output_index": index, "item": begun})
    kind, text = {
        "reasoning": ("reasoning_summary_text", THOUGHT),
        "function_call": ("function_call_arguments", item.get("arguments", "")),
        "message": ("output_text", (item.get("content") or [{}])[0].get("text", "")),
    }[item["type"]]
    for piece in _halves(text):
        yield _named({"type": f"response.{kind}.delta", **place, "delta": piece})
    yield _named({"type": "response.output_item.done", "output_index": index, "item": item})


def _halves(text: str) -> Sequence[str]:
    middle = len(text) // 2
    return text[:middle], text[middle:]


def _event(event: Event) -> bytes:
    return b"data: " + orjson.dumps(event) + b"\n\n"


def _named(event: Event) -> bytes:
    return b"event: " + event["type"].encode() + b"\n" + _event(event)
