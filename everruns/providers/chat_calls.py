"""The tool calls of a Chat Completions stream, put together from their pieces.

``index`` and ``id`` are meant to tell calls apart. Known servers give every call the same index, or
none; give every piece another id, or none; repeat names, cut them, or send arguments as an object.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson

from everruns.providers.tool_calls import RawCall, exact_json

# What servers attach to a call and want back: Gemini its thought signature, and LiteLLM that of a
# Gemini behind it.
EXTRA_FIELDS = ("extra_content", "provider_specific_fields")
MAX_INDEX = 1_000_000


class CallCollector:
    """The calls of an answer so far.

    Args:
        known_names: The tools that the model was offered.

    Attributes:
        calls: In the order in which they began.
        extras: What the server attached to calls, by their place in ``calls``.
    """

    def __init__(self, known_names: set[str]) -> None:
        self.calls: list[RawCall] = []
        self.extras: dict[int, dict[str, Any]] = {}
        self._known_names = known_names
        self._place_of_index: dict[int, int] = {}

    def read(self, delta: Mapping[str, Any]) -> None:
        """Read the calls in a delta or a whole message."""
        pieces: Any = delta.get("tool_calls")
        if pieces:
            pieces = [pieces] if isinstance(pieces, dict) else pieces
            for piece in cast("Sequence[dict[str, Any] | None]", pieces):
                self._read_piece(piece or {})
        elif function := delta.get("function_call"):  # the name of before there were parallel calls
            self._read_piece({"index": 0, "function": function})

    def _read_piece(self, piece: Mapping[str, Any]) -> None:
        function: Mapping[str, Any] = piece.get("function") or piece
        identity = str(piece.get("id") or "")
        name = str(function.get("name") or "")
        arguments = function.get("arguments")
        place = self._place(
            _index(piece.get("index")), identity, name, has_arguments=bool(arguments)
        )
        if place is None:
            return
        call = self.calls[place]
        call.id = call.id or identity
        if name and not call.arguments:
            call.name = name if name.startswith(call.name) else call.name + name
        call.arguments += arguments if isinstance(arguments, str) else exact_json(arguments)
        for field in EXTRA_FIELDS:
            extra = piece.get(field)
            if isinstance(extra, dict) and extra:
                extras = self.extras.setdefault(place, {})
                extras[field] = {**extras.get(field, {}), **extra}

    def _place(
        self, index: int | None, identity: str, name: str, *, has_arguments: bool
    ) -> int | None:
        """Return the place of the call that a piece belongs to, beginning one if need be."""
        if index is None:
            place = self._place_without_index(identity, name)
        else:
            place = self._place_of_index.get(index, -1)
        if place >= 0 and not self._begins_another(self.calls[place], identity, name):
            return place
        if not (name or identity or has_arguments):
            return None
        self.calls.append(RawCall())
        place = len(self.calls) - 1
        if index is not None:
            self._place_of_index[index] = place
        return place

    def _place_without_index(self, identity: str, name: str) -> int:
        latest = len(self.calls) - 1
        if not identity or latest < 0:
            return latest
        ids = [call.id for call in self.calls]
        if identity in ids:
            return ids.index(identity)
        return -1 if name and ids[latest] else latest

    def _begins_another(self, call: RawCall, identity: str, name: str) -> bool:
        """Tell whether a piece with the index of a call begins another one."""
        if not name or (identity and identity == call.id):
            return False
        if call.arguments:
            return _is_object(call.arguments)
        if identity and call.id:
            return True
        # Without arguments and ids, a second name is another call or the rest of the first name.
        both = call.name + name
        return call.name in self._known_names and name in self._known_names - {call.name, both}


def _index(value: Any) -> int | None:
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return int(value) if isinstance(value, int | float) and 0 <= value < MAX_INDEX else None


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False
