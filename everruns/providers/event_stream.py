"""Splits a stream of Server-Sent Events.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""


class EventSplitter:
    """Takes a stream piece by piece and gives out the ``data`` of its events.

    Other fields do not matter on the wires of models.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []

    @property
    def unfinished_bytes(self) -> int:
        """The length of the line that has not ended yet."""
        return len(self._rest)

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
                self._data.append(line[5:].strip())
            elif self._data and line in {b"", b"\r"}:
                ended.append(self._take())
        return ended

    def end(self) -> list[bytes]:
        """Return what is left: some servers forget the blank line after the last event."""
        if self._rest.startswith(b"data:"):
            self._data.append(bytes(self._rest[5:]).strip())
        return [self._take()] if self._data else []

    def _take(self) -> bytes:
        data, self._data = self._data, []
        return data[0] if len(data) == 1 else b"\n".join(data)
