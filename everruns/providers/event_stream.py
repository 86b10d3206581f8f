"""Splits a stream of Server-Sent Events.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""


class EventSplitter:
    """Parses a stream piece by piece and returns the ``data`` of its events.

    Model APIs do not use the other fields.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: bytes | bytearray | None = None

    @property
    def unfinished_bytes(self) -> int:
        """The buffered bytes of the unfinished event."""
        return len(self._rest) + len(self._data or b"")

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the data of the events that end with this piece of the stream."""
        if b"\n" not in piece:
            self._rest += piece
            return []
        *lines, rest = (bytes(self._rest) + piece if self._rest else piece).split(b"\n")
        self._rest = bytearray(rest)
        ended: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._add(line[5:].strip())
            elif self._data is not None and line in {b"", b"\r"}:
                ended.append(bytes(self._data))
                self._data = None
        return ended

    def end(self) -> list[bytes]:
        """Return the rest: some servers omit the blank line after the last event."""
        if self._rest.startswith(b"data:"):
            self._add(bytes(self._rest[5:]).strip())
        return [] if self._data is None else [bytes(self._data)]

    def _add(self, line: bytes) -> None:
        # Most events have one line. An object for each of many would take far more than its bytes.
        if self._data is None:
            self._data = line
            return
        if isinstance(self._data, bytes):
            self._data = bytearray(self._data)
        self._data += b"\n"
        self._data += line
