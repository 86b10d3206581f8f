"""The text of an answer as it arrives."""

import re

_SURROGATE = re.compile("[\ud800-\udfff]")
_FIRST_HALF = re.compile("[\ud800-\udbff]$")


class CharacterJoiner:
    """Text that arrives in pieces, which some servers cut in the middle of a character.

    Attributes:
        length: Code points so far.
    """

    def __init__(self) -> None:
        self.length = 0
        self._half: str = ""

    def add(self, piece: str) -> str:
        """Return the text to show for a piece: whole characters, perhaps none."""
        if not piece.isascii() or self._half:
            piece = self._half + piece
            self._half = ""
            if _SURROGATE.search(piece):
                if _FIRST_HALF.search(piece):
                    piece, self._half = piece[:-1], piece[-1]
                piece = whole_characters(piece)
        self.length += len(piece)
        return piece


def whole_characters(text: str) -> str:
    r"""Join the halves of characters in a text, and replace those without their other half.

    JSON may write a character as two escapes, ``\ud83d\ude42``; only the pair is text.
    """
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
