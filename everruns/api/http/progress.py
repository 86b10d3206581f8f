"""When a reader is too slow to be kept: a pure rule of the bytes it takes and the time it needs.

Source: docs/contract.md, "Stream rules".
"""

from collections.abc import Iterator, Sequence

from everruns.domain.base import KIB

# What is sent at once, so that no more than this waits for a reader that reads nothing.
SLICE_BYTES = 32 * KIB
SLICE_TIMEOUT_S = 30.0
WINDOW_S = 60.0
LEAST_BYTES_PER_S = 2 * KIB


class Progress:
    """How a reader gets on, measured over a minute in which data waited for it.

    Time in which there was nothing to send does not count.
    """

    def __init__(self) -> None:
        self._waited_s = 0.0
        self._taken_bytes = 0

    def keeps_up(self, taken_bytes: int, waited_s: float) -> bool:
        """Take note of what was sent, and return whether the reader takes enough.

        Args:
            taken_bytes: What was sent.
            waited_s: How long the reader took to make room for it.
        """
        self._taken_bytes += taken_bytes
        self._waited_s += waited_s
        if self._waited_s < WINDOW_S:
            return True
        keeps_up = self._taken_bytes >= LEAST_BYTES_PER_S * self._waited_s
        self._taken_bytes, self._waited_s = 0, 0.0
        return keeps_up


def slices(frames: Sequence[bytes]) -> Iterator[bytes]:
    """Yield what to send at once: small frames joined, large ones divided.

    A slice is made when it is asked for, so that a large frame is not copied as a whole.
    """
    small: list[bytes] = []
    size = 0
    for frame in frames:
        if size and size + len(frame) > SLICE_BYTES:
            yield b"".join(small)
            small, size = [], 0
        if len(frame) > SLICE_BYTES:
            for start in range(0, len(frame), SLICE_BYTES):
                yield frame[start : start + SLICE_BYTES]
        else:
            small.append(frame)
            size += len(frame)
    if size:
        yield b"".join(small)
