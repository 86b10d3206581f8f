"""The text of an answer as it arrives."""

import re
from collections.abc import Iterable, Iterator

from everruns.providers.base import ReasoningDelta, TextDelta, UsageSoFar
from everruns.turn_failures import ModelFailure

Delta = TextDelta | ReasoningDelta | UsageSoFar

_SURROGATE = re.compile("[\ud800-\udfff]")
_FIRST_HALF = re.compile("[\ud800-\udbff]$")


def join_texts(deltas: Iterable[Delta]) -> Iterator[Delta]:
    """Join neighbouring deltas of one kind: a long text costs no more to pass on than a word.

    Raises:
        ModelFailure: Reading the deltas failed, after those before the failure.
    """
    kind: type[TextDelta | ReasoningDelta] = TextDelta
    texts: list[str] = []
    failure: ModelFailure | None = None
    try:
        for delta in deltas:
            if texts and not isinstance(delta, kind):
                yield kind("".join(texts))
                texts.clear()
            if isinstance(delta, UsageSoFar):
                yield delta
            else:
                kind = type(delta)
                texts.append(delta.text)
    except ModelFailure as raised:
        failure = raised
    if texts:
        yield kind("".join(texts))
    if failure is not None:
        raise failure


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
