"""Other cuts of the same stream: servers choose where the deltas of an answer end."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.recorded_streams import WireName

Event = dict[str, Any]
DONE = "[DONE]"

TEXT_FIELDS = ("content", "refusal", "reasoning_content", "reasoning")
TYPED_DELTAS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
}
CUT_RESPONSE_EVENTS = (
    "response.output_text.delta",
    "response.refusal.delta",
    "response.reasoning_summary_text.delta",
    "response.function_call_arguments.delta",
)


def recut(wire: WireName, events: Sequence[Event | str], random: Random) -> list[Event | str]:
    """Choose anew where the deltas of a stream end: join neighbours, and split what is left."""
    joining, splitting = random.choice([0, 0.3, 0.9]), random.choice([0, 0.3, 0.9])
    joined: list[Event | str] = []
    for event in events:
        together = _joined(wire, joined[-1], event) if joined else None
        if together is not None and random.random() < joining:
            joined[-1] = together
        else:
            joined.append(event)
    cut: list[Event | str] = []
    for event in joined:
        rest: Event | str | None = event
        while rest is not None:
            parts = _split(wire, rest, random) if random.random() < splitting else None
            first, rest = parts or (rest, None)
            cut.append(first)
    return cut


@dataclass(frozen=True)
class _Cuttable:
    """The one text of an event that may be cut, and what tells which text it continues."""

    text: str
    continues: tuple[Any, ...]
    put: Callable[[Event, str], None]
    is_bare: bool


def _cuttable(wire: WireName, event: Event | str) -> _Cuttable | None:
    if isinstance(event, str):
        return None
    return {"chat": _of_chunk, "messages": _of_block, "responses": _of_item}[wire](event)


def _of_chunk(event: Event) -> _Cuttable | None:
    choices = event.get("choices") or ()
    if len(choices) != 1:
        return None
    delta = choices[0].get("delta") or {}
    filled = {name for name, value in delta.items() if value} - {"role", "token_id"}
    ends = bool(choices[0].get("finish_reason") or choices[0].get("usage"))
    if len(filled) != 1:
        return None
    name = filled.pop()
    if name in TEXT_FIELDS and isinstance(delta[name], str):

        def put_text(event: Event, text: str) -> None:
            event["choices"][0]["delta"][name] = text

        return _Cuttable(delta[name], (name,), put_text, is_bare=not ends)
    if name == "tool_calls" and len(delta[name]) == 1:
        call = delta[name][0]
        arguments = call["function"].get("arguments")
        if isinstance(arguments, str) and arguments:

            def put_arguments(event: Event, text: str) -> None:
                event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] = text

            begins = bool(call["function"].get("name") or call.get("extra_content"))
            continues = ("tool_calls", call.get("index"), begins)
            return _Cuttable(arguments, continues, put_arguments, is_bare=not ends and not begins)
    return None


def _of_block(event: Event) -> _Cuttable | None:
    if event.get("type") != "content_block_delta" or event["delta"]["type"] not in TYPED_DELTAS:
        return None
    name = TYPED_DELTAS[event["delta"]["type"]]

    def put(event: Event, text: str) -> None:
        event["delta"][name] = text

    return _Cuttable(event["delta"][name], (event["index"], name), put, is_bare=True)


def _of_item(event: Event) -> _Cuttable | None:
    if event.get("type") not in CUT_RESPONSE_EVENTS:
        return None

    def put(event: Event, text: str) -> None:
        event["delta"] = text

    places = ("type", "output_index", "content_index", "summary_index")
    return _Cuttable(event["delta"], tuple(map(event.get, places)), put, is_bare=True)


def _joined(wire: WireName, first: Event | str, second: Event | str) -> Event | None:
    before, after = _cuttable(wire, first), _cuttable(wire, second)
    if before is None or after is None or isinstance(first, str):
        return None
    if before.continues != after.continues or not (before.is_bare and after.is_bare):
        return None
    event = deepcopy(first)
    before.put(event, before.text + after.text)
    return event


def _split(wire: WireName, event: Event | str, random: Random) -> tuple[Event, Event] | None:
    found = _cuttable(wire, event)
    if found is None or len(found.text) < 2 or isinstance(event, str):
        return None
    at = random.randrange(1, len(found.text))
    first, second = deepcopy(event), deepcopy(event)
    found.put(first, found.text[:at])
    found.put(second, found.text[at:])
    if wire == "chat":
        _end_only_in(first, second)
    return first, second


def _end_only_in(first: Event, second: Event) -> None:
    """Leave what comes once to one half: the end to the second, a call's name to the first."""
    choice = first["choices"][0]
    if "finish_reason" in choice:
        choice["finish_reason"] = None
    for holder in (first, choice):
        if holder.get("usage"):
            holder["usage"] = None
    for call in second["choices"][0]["delta"].get("tool_calls") or ():
        for name in ("id", "type", "extra_content"):
            call.pop(name, None)
        call["function"].pop("name", None)
