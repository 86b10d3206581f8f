"""The draft: the one message being written, which readers see before it is stored."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

from everruns.domain.messages import OutputPart
from everruns.domain.timing import Timing
from everruns.domain.usage import Usage
from everruns.ids import now_ms
from everruns.providers.base import ModelRequest
from everruns.turn_failures import OutputInvalid


class GrowingText:
    """Text that grows at its end and is read from any offset.

    Offsets and lengths count Unicode code points. The cost of appending and reading depends on the
    piece alone, not on the length of the text.
    """

    def __init__(self) -> None:
        self._stretches: list[str] = []
        self._ends: list[int] = []
        self.length = 0

    def append(self, stretch: str) -> None:
        """Append a piece."""
        self.length += len(stretch)
        self._stretches.append(stretch)
        self._ends.append(self.length)

    def since(self, offset: int, limit: int) -> str:
        """Return at most ``limit`` code points that follow the first ``offset`` ones."""
        end = min(offset + limit, self.length)
        if offset >= end:
            return ""
        first = bisect_right(self._ends, offset)
        last = bisect_left(self._ends, end)
        start = self._ends[first] - len(self._stretches[first])
        return "".join(self._stretches[first : last + 1])[offset - start : end - start]

    def __str__(self) -> str:
        if len(self._stretches) > 1:
            self._stretches = ["".join(self._stretches)]
            self._ends = [self.length]
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
        request: The model request.
        reported: The provider's token counts so far; ``None`` before the model has started.
        output: What came of it as a structured answer, once it is complete.
        failure: Why no answer can be checked against the schema, so that the turn fails.
        started_ms: When its model call began.
        first_token_ms: When its first text or reasoning came.
        ended_ms: When its model call ended, however it ended.
        attempts: How often the provider was asked.
    """

    message_id: str
    turn_id: str
    input_sequence: int
    text: GrowingText = field(default_factory=GrowingText)
    reasoning: GrowingText = field(default_factory=GrowingText)
    request: ModelRequest | None = None
    reported: Usage | None = None
    output: OutputPart | None = None
    failure: OutputInvalid | None = None
    started_ms: int = field(default_factory=now_ms)
    first_token_ms: int | None = None
    ended_ms: int | None = None
    attempts: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been written yet."""
        return not (self.text.length or self.reasoning.length)

    def write(self, text: str) -> None:
        """Append a piece of the text."""
        self._note_first_token()
        self.text.append(text)

    def reason(self, text: str) -> None:
        """Append a piece of the readable reasoning."""
        self._note_first_token()
        self.reasoning.append(text)

    def _note_first_token(self) -> None:
        if self.first_token_ms is None:
            self.first_token_ms = now_ms()

    @property
    def timing(self) -> Timing | None:
        """The course of its model call so far; ``None`` if no model was asked."""
        if self.request is None:
            return None
        return Timing(
            started_ms=self.started_ms,
            first_token_ms=self.first_token_ms,
            ended_ms=self.ended_ms or now_ms(),
            attempts=max(self.attempts, 1),
            provider=self.request.model.provider_type,
        )
