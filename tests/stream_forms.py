"""Other forms of the same stream: cut elsewhere, and with the harmless oddities of known servers.

A stream is taken apart into its events, changed, and put together again. No change alters the
meaning. The choices come from one seeded generator, which is fast enough for tens of thousands of
examples; which oddities are used is a set, so that a failure shrinks to those that matter.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import orjson

from everruns.providers.event_stream import EventSplitter
from tests.recorded_streams import Recording, WireName
from tests.stream_cuts import DONE, Event, recut

FRAMING_ODDITIES = (
    "blank lines",
    "byte order mark",
    "comments",
    "carriage returns",
    "carriage return and line feed",
    "empty data",
    "escaped characters",
    "event names",
    "ids and retry times",
    "no final blank line",
    "no space after the colon",
    "several data lines",
)
CONTENT_ODDITIES: dict[WireName, tuple[str, ...]] = {
    "chat": (
        "heartbeats",
        "index as text",
        "index missing",
        "no done",
        "null fields",
        "repeated role",
        "unknown fields",
        "usage twice",
    ),
    "messages": ("heartbeats", "null fields", "unknown events", "unknown fields", "usage twice"),
    "responses": (
        "heartbeats",
        "no item ids",
        "no sequence numbers",
        "null fields",
        "unknown events",
        "unknown fields",
    ),
}
OFTEN_NULL = ("content", "refusal", "tool_calls", "function_call", "audio")


@dataclass(frozen=True)
class Form:
    """One form of a stream: the oddities in it, and the seed of all its other choices."""

    oddities: frozenset[str]
    seed: int

    def of(self, recording: Recording) -> list[bytes]:
        """Return a recording in this form, in the pieces in which it arrives."""
        random = Random(self.seed)
        events = _events(recording.stream)
        events = recut(recording.wire, events, random)
        events = list(self._with_odd_content(recording.wire, events, random))
        return _pieces(self._framed(recording.wire, events, random), random)

    def _with_odd_content(
        self, wire: WireName, events: Sequence[Event | str], random: Random
    ) -> Iterator[Event | str]:
        may_lack_index = sum(_begins_call(event) for event in events) == 1
        for event in events:
            if "heartbeats" in self.oddities and random.random() < 0.3:
                yield random.choice(_HEARTBEATS[wire])
            if "unknown events" in self.oddities and random.random() < 0.3:
                yield random.choice(_UNKNOWN_EVENTS[wire])
            if isinstance(event, str):
                if "no done" not in self.oddities:
                    yield event
                continue
            odd = dict(event)
            if "unknown fields" in self.oddities:
                odd |= {"obfuscation": "x" * random.randrange(9), "novel": {"a": [None]}}
            if wire == "chat":
                odd = self._odd_chunk(odd, random, may_lack_index=may_lack_index)
            elif "null fields" in self.oddities:
                odd |= {"error": None, "usage": event.get("usage"), "id": None}
            if "no item ids" in self.oddities:
                odd.pop("item_id", None)
            if "no sequence numbers" in self.oddities:
                odd.pop("sequence_number", None)
            yield odd
            if "usage twice" in self.oddities:
                yield from _usage_again(wire, odd)

    def _odd_chunk(self, event: Event, random: Random, *, may_lack_index: bool) -> Event:
        event = deepcopy(event)
        if "null fields" in self.oddities:
            event = {"error": None, "usage": None, **event}
        for choice in event.get("choices") or ():
            delta = choice.get("delta")
            if not isinstance(delta, dict):
                continue
            if "null fields" in self.oddities and random.random() < 0.7:
                nulls = dict.fromkeys(
                    ("content", "refusal", "tool_calls", "function_call", "audio")
                )
                delta = choice["delta"] = {**nulls, **delta}
            if "unknown fields" in self.oddities:
                delta["annotations"] = []
            if "repeated role" in self.oddities:
                delta["role"] = "assistant"
            for call in delta.get("tool_calls") or ():
                if "index missing" in self.oddities and may_lack_index:
                    call.pop("index", None)
                elif "index as text" in self.oddities and isinstance(call.get("index"), int):
                    call["index"] = str(call["index"])
        return event

    def _framed(self, wire: WireName, events: Sequence[Event | str], random: Random) -> bytes:
        lines: list[str] = []
        if "comments" in self.oddities:
            lines += [": connected", ""]
        for event in events:
            lines += self._lines(wire, event, random)
        end = "\n"
        if "carriage return and line feed" in self.oddities:
            end = "\r\n"
        elif "carriage returns" in self.oddities:
            end = "\r"
        stream = "".join(line + end for line in lines)
        if "no final blank line" in self.oddities:
            stream = stream.rstrip("\r\n") + random.choice([end, ""])
        mark = "\ufeff" if "byte order mark" in self.oddities else ""
        return (mark + stream).encode()

    def _lines(self, wire: WireName, event: Event | str, random: Random) -> Iterator[str]:
        if "comments" in self.oddities and random.random() < 0.3:
            yield from random.choice([[": keep-alive", ""], [":"], [": OPENROUTER PROCESSING", ""]])
        if "empty data" in self.oddities and random.random() < 0.3:
            yield from random.choice([["data:", ""], ["data", ""], ["data: ", ""]])
        named = wire != "chat" and isinstance(event, dict)
        if "event names" in self.oddities:
            named = not named
        if named:
            yield f"event: {event['type'] if isinstance(event, dict) and 'type' in event else 'x'}"
        if "ids and retry times" in self.oddities:
            yield from random.choice([["id: 7"], ["retry: 3000"], ["id"], ["id: a", "retry: 5"]])
        space = "" if "no space after the colon" in self.oddities else " "
        yield from (f"data:{space}{line}" for line in self._data(event, random))
        yield ""
        if "blank lines" in self.oddities and random.random() < 0.5:
            yield from [""] * random.randrange(1, 4)

    def _data(self, event: Event | str, random: Random) -> list[str]:
        if isinstance(event, str):
            return [event]
        if "escaped characters" in self.oddities:
            # Characters beyond 16 bits become two escapes.
            text = orjson.dumps(event).decode()
            return ["".join(map(_escaped, text)) if random.random() < 0.7 else text]
        if "several data lines" in self.oddities and random.random() < 0.5:
            return orjson.dumps(event, option=orjson.OPT_INDENT_2).decode().split("\n")
        return [orjson.dumps(event).decode()]


def _events(stream: bytes) -> list[Event | str]:
    splitter = EventSplitter()
    payloads = splitter.feed(stream) + splitter.end()
    return [DONE if payload == DONE.encode() else orjson.loads(payload) for payload in payloads]


def _pieces(stream: bytes, random: Random) -> list[bytes]:
    """Cut a stream as a network might: seldom, often, or where lines end."""
    count = random.choice([0, 1, 5, len(stream) // 50, len(stream) // 5])
    cuts = [random.randrange(len(stream) + 1) for _ in range(count)]
    if random.random() < 0.3:
        cuts += [at + 1 for at, byte in enumerate(stream) if byte in b"\r\n"]
    edges = [0, *sorted(cuts), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


def _escaped(character: str) -> str:
    if character.isascii():
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[n]:02x}{units[n + 1]:02x}" for n in range(0, len(units), 2))


def _begins_call(event: Event | str) -> int:
    choices = (event.get("choices") or ()) if isinstance(event, dict) else ()
    calls = [
        call for choice in choices for call in (choice.get("delta") or {}).get("tool_calls") or ()
    ]
    return sum(bool(call["function"].get("name")) for call in calls)


def _usage_again(wire: WireName, event: Event) -> Iterator[Event]:
    if wire == "chat" and event.get("usage"):
        yield {**event, "choices": []}
    if wire == "messages" and event.get("type") == "message_delta":
        yield event


_HEARTBEATS: dict[WireName, list[Event]] = {
    "chat": [
        {"choices": []},
        {"id": "", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}}]},
        {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": None}]},
    ],
    "messages": [{"type": "ping"}],
    "responses": [{"type": "keepalive", "sequence_number": 0}],
}
_UNKNOWN_EVENTS: dict[WireName, list[Event]] = {
    "chat": [],
    "messages": [
        {"type": "content_block_start", "index": 90, "content_block": {"type": "novel", "x": 1}},
        {"type": "content_block_delta", "index": 90, "delta": {"type": "novel_delta", "x": "y"}},
        {"type": "content_block_stop", "index": 90},
        {"type": "message_novelty", "novelty": {}},
    ],
    "responses": [
        {"type": "response.novel_call.searching", "output_index": 90, "item_id": "nc_1"},
        {"type": "response.output_item.added", "output_index": 90, "item": {"type": "novel_call"}},
        {"type": "rate_limits.updated", "rate_limits": []},
    ],
}
