"""Splits a stream of Server-Sent Events.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

import re

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
ERROR_EVENT = (b"event: error", b"event:error")
# Where one JSON object ends and the next begins: no value has these in a row.
_NEXT_DOCUMENT = re.compile(rb"(?<=\})\s*\n\s*(?=\{|data:)")


class EventSplitter:
    """Parses a stream piece by piece and returns the ``data`` of its events.

    Model APIs do not use the other fields, except that some servers tell an error by an event's
    name or in a field of its own: the data of an error begins with ``error:``. A JSON document
    instead of a stream, which some servers send, counts as the data of one event, and so does each
    line of JSON without a field's name, or without the blank line that should follow.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: bytes | bytearray | None = None
        self._is_error = False
        self._has_begun = False
        self._is_document = False

    @property
    def unfinished_bytes(self) -> int:
        """The buffered bytes of the unfinished event."""
        return len(self._rest) + len(self._data or b"")

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the data of the events that end with this piece of the stream."""
        if not self._has_begun:
            piece = self._begin(piece)
        if self._is_document or (b"\n" not in piece and b"\r" not in piece):
            self._rest += piece
            return []
        if self._rest:
            piece = bytes(self._rest) + piece
        if b"\r" in piece:
            return self._feed_carriage_returns(piece)
        *lines, rest = piece.split(b"\n")
        self._rest = bytearray(rest)
        return self._read(lines)

    def _begin(self, piece: bytes) -> bytes:
        """Skip what may come before the first line; return nothing until that has begun."""
        start = bytes(self._rest) + piece
        self._rest.clear()
        begun = start.removeprefix(BYTE_ORDER_MARK).lstrip()
        if not begun or BYTE_ORDER_MARK.startswith(begun):
            self._rest += begun
            return b""
        self._has_begun = True
        self._is_document = begun[:1] in {b"{", b"["}
        return begun

    def _feed_carriage_returns(self, piece: bytes) -> list[bytes]:
        # The last one may be the first half of a line's end.
        held = b"\r" if piece.endswith(b"\r") else b""
        *lines, rest = _lines(piece.removesuffix(b"\r"))
        self._rest = bytearray(rest + held)
        return self._read(lines)

    def end(self) -> list[bytes]:
        """Return the rest: some servers omit the blank line after the last event."""
        if self._is_document:
            return _NEXT_DOCUMENT.split(bytes(self._rest))
        return self._read([*_lines(bytes(self._rest)), b""])

    def _read(self, lines: list[bytes]) -> list[bytes]:
        ended: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                data = line[5:].strip()
                if self._data is not None and _begins_another(self._data, data):
                    ended.append(bytes(self._data))
                    self._data = None
                if self._data is None and not self._is_error:
                    self._data = data
                else:
                    self._add(data)
            elif not line:
                if self._data is not None:
                    ended.append(bytes(self._data))
                    self._data = None
                self._is_error = False
            elif line.startswith(b"event:"):
                self._is_error = line in ERROR_EVENT
            elif line.startswith((b"{", b"error:")):
                self._add(line)
        return ended

    def _add(self, line: bytes) -> None:
        if self._is_error:
            self._is_error = False
            line = b"error:" + line
        # Most events have one line. An object for each of many would take far more than its bytes.
        if self._data is None:
            self._data = line
            return
        if isinstance(self._data, bytes):
            self._data = bytearray(self._data)
        self._data += b"\n"
        self._data += line


def _begins_another(data: bytes | bytearray, line: bytes) -> bool:
    """Tell whether a line is another event: some servers leave out the blank line between two."""
    return data.endswith(b"}") and line.startswith((b"{", b"[DONE]"))


def _lines(text: bytes) -> list[bytes]:
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
