"""The draft: the one message being written, which readers see before it is stored."""

from dataclasses import dataclass, field

from everruns.domain.usage import Usage
from everruns.providers.base import ModelRequest


class GrowingText:
    """Text that grows at its end and is read from any offset to the end.

    Offsets and lengths count Unicode code points. Appending costs the stretch alone, however long
    the text has become.
    """

    def __init__(self) -> None:
        self._stretches: list[str] = []
        self.length = 0

    def append(self, stretch: str) -> None:
        """Add a stretch at the end."""
        self._stretches.append(stretch)
        self.length += len(stretch)

    def since(self, offset: int) -> str:
        """Return what follows the first ``offset`` code points."""
        missing = self.length - offset
        tail: list[str] = []
        for stretch in reversed(self._stretches):
            if missing <= 0:
                break
            tail.append(stretch[-missing:] if missing < len(stretch) else stretch)
            missing -= len(stretch)
        return "".join(reversed(tail))

    def __str__(self) -> str:
        if len(self._stretches) > 1:
            self._stretches = ["".join(self._stretches)]
        return self._stretches[0] if self._stretches else ""


@dataclass
class Draft:
    """A message being written.

    Attributes:
        message_id: The id that the finished message will have.
        turn_id: The turn it belongs to.
        input_sequence: The last event whose content the model has read.
        text: Its text so far.
        reasoning: Its readable reasoning so far.
        request: What the model was asked.
        reported: What the provider has said of tokens; ``None`` before the model has begun.
    """

    message_id: str
    turn_id: str
    input_sequence: int
    text: GrowingText = field(default_factory=GrowingText)
    reasoning: GrowingText = field(default_factory=GrowingText)
    request: ModelRequest | None = None
    reported: Usage | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been written yet."""
        return not (self.text.length or self.reasoning.length)
