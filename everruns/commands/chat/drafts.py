"""A message that is being written, taken apart into lines."""

# A line is shown once it is complete; one without an end is cut here.
MAX_LINE_CHARACTERS = 4000


class Draft:
    """The text of one message as it arrives.

    Only the line that is not complete yet is kept, so a text of any length costs little.

    Args:
        message_id: The id that the finished message will have.

    Attributes:
        tail: What was said of the line that is not complete yet.
    """

    def __init__(self, message_id: str) -> None:
        self.message_id = message_id
        self.tail = ""
        self._given = 0

    @property
    def length(self) -> int:
        """How many characters have arrived."""
        return self._given + len(self.tail)

    def add(self, offset: int, delta: str) -> list[str]:
        """Take a piece of the text; return the lines that are complete now.

        Args:
            offset: How many characters of the text come before the piece. Characters that were
                there before are skipped; a piece behind a gap is, too, because the finished
                message has it.
            delta: The piece.
        """
        if offset > self.length:
            return []
        if offset >= self._given:
            self.tail = self.tail[: offset - self._given] + delta
        elif offset + len(delta) >= self.length:
            self.tail = delta[self._given - offset :]
        return self._complete_lines()

    def finish(self, text: str) -> list[str]:
        """Return all lines of the finished text that were not returned before."""
        *lines, last = text[self._given :].split("\n")
        self.tail = ""
        self._given = len(text)
        return _cut([*lines, last] if last else lines)

    def _complete_lines(self) -> list[str]:
        *complete, rest = self.tail.split("\n")
        *pieces, rest = _cut([rest])
        self._given += len(self.tail) - len(rest)
        self.tail = rest
        return [*_cut(complete), *pieces]


def _cut(lines: list[str]) -> list[str]:
    """Return lines in pieces of at most ``MAX_LINE_CHARACTERS``, if possible between words."""
    pieces: list[str] = []
    for line in lines:
        start = 0
        while len(line) - start > MAX_LINE_CHARACTERS:
            end = line.rfind(" ", start + 1, start + MAX_LINE_CHARACTERS) + 1
            end = end or start + MAX_LINE_CHARACTERS
            pieces.append(line[start:end])
            start = end
        pieces.append(line[start:])
    return pieces
