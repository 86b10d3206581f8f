"""Splits a stream of Server-Sent Events.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class EventSplitter:
    """Parses a stream piece by piece and returns the ``data`` of its events.

    Model APIs do not use the other fields. A JSON document instead of a stream, which some servers
    send, counts as the data of one event.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: bytes | bytearray | None = None
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
            return [bytes(self._rest)]
        ended = self._read(_lines(bytes(self._rest)))
        return ended if self._data is None else [*ended, bytes(self._data)]

    def _read(self, lines: list[bytes]) -> list[bytes]:
        ended: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._add(line[5:].strip())
            elif not line and self._data is not None:
                ended.append(bytes(self._data))
                self._data = None
        return ended

    def _add(self, line: bytes) -> None:
        # Most events have one line. An object for each of many would take far more than its bytes.
        if self._data is None:
            self._data = line
            return
        if isinstance(self._data, bytes):
            self._data = bytearray(self._data)
        self._data += b"\n"
        self._data += line


def _lines(text: bytes) -> list[bytes]:
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
