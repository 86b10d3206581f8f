"""The answer that a model is writing, and its reasoning."""

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from everruns.commands.chat.drafts import Draft
from everruns.commands.chat.lines import (
    TAB_WIDTH,
    elapsed,
    in_one_line,
    note,
    part_in_short,
    spinner,
)
from everruns.commands.chat.markdown import MAX_STYLED_CHARACTERS, Markdown, rows_of
from everruns.commands.figures import span
from everruns.commands.output import harmless

MAX_ROWS = 12
THOUGHT_CHARACTERS = 200


class Answer:
    """One answer after the other: first it is thought about, then written, then finished.

    What takes something returns the lines that are to be printed.
    """

    def __init__(self) -> None:
        self._text: Draft | None = None
        self._markdown = Markdown()
        self._thoughts: Draft | None = None
        self._thinking_since_ms = 0
        self._thought = ""
        # Reasoning that is over, which a new connection may bring once more.
        self._thought_about = ""

    def think(self, data: dict[str, Any], ts: int) -> Iterator[Text]:
        """Take a piece of the reasoning, which is shown only while it goes on."""
        message_id = data["message_id"]
        if message_id == self._thought_about:
            return
        if self._thoughts is None or self._thoughts.message_id != message_id:
            yield from self.abandon()
            self._thoughts = Draft(message_id)
            self._thinking_since_ms, self._thought = ts, ""
        for line in self._thoughts.add(data["offset"], data["delta"]):
            self._thought = line.strip() or self._thought

    def write(self, data: dict[str, Any], ts: int) -> Iterator[Text]:
        """Take a piece of the text."""
        message_id = data["message_id"]
        yield from self._stop_thinking(ts)
        if self._text is None or self._text.message_id != message_id:
            yield from self.abandon()
            yield from self._begin(message_id)
        if self._text is not None:
            yield from self._styled(self._text.add(data["offset"], data["delta"]))

    def finish(self, message: dict[str, Any], ts: int) -> Iterator[Text]:
        """Take the finished answer, of which the pieces may have been seen."""
        was_thought_about = self._thoughts is not None or message["id"] == self._thought_about
        if message.get("thinking") and not was_thought_about:
            yield note("✻ Thought")
        yield from self._stop_thinking(ts)
        texts = [part["text"] for part in message["content"] if part["type"] == "text"]
        text = "".join(texts)
        if self._text is not None and self._text.message_id != message["id"]:
            yield from self.abandon()
        if text and self._text is None:
            yield from self._begin(message["id"])
        if self._text is not None:
            yield from self._styled(self._text.finish(text))
        self._text = None
        for part in message["content"]:
            yield from _lines_of_part(part)

    def abandon(self) -> Iterator[Text]:
        """End an answer that will not be finished, because its process was lost."""
        draft, self._text, self._thoughts = self._text, None, None
        if draft is not None and draft.length:
            yield from self._styled([draft.tail])
            yield note("The answer was interrupted.")

    def rows(self, now_ms: int, width: int) -> list[Text]:
        """Return what is being written, in rows."""
        if self._text is not None and self._text.tail:
            newest = self._text.tail[-min(MAX_ROWS * width, MAX_STYLED_CHARACTERS) :]
            return rows_of(self._markdown.preview(_shown(newest)), width)[-MAX_ROWS:]
        if self._thoughts is not None:
            thought = in_one_line(self._thoughts.tail.strip() or self._thought, THOUGHT_CHARACTERS)
            since = elapsed(self._thinking_since_ms, now_ms)
            row = Text(f"{spinner(now_ms)} Thinking  {since}  ", "dim")
            return [row.append(thought, "dim italic")]
        return []

    def _begin(self, message_id: str) -> Iterator[Text]:
        self._text, self._markdown = Draft(message_id), Markdown()
        yield Text("")

    def _stop_thinking(self, ts: int) -> Iterator[Text]:
        if self._thoughts is not None:
            took_ms = ts - self._thinking_since_ms
            yield note(f"✻ Thought for {span(took_ms / 1000)}" if took_ms > 0 else "✻ Thought")
            self._thought_about, self._thoughts = self._thoughts.message_id, None

    def _styled(self, complete: list[str]) -> Iterator[Text]:
        for line in complete:
            yield self._markdown.take(_shown(line))


def _shown(line: str) -> str:
    return harmless(line.removesuffix("\r").expandtabs(TAB_WIDTH))


def _lines_of_part(part: dict[str, Any]) -> Iterator[Text]:
    """Return what an answer has besides text; its tool calls are shown when they are made."""
    match part["type"]:
        case "output" if part.get("error"):
            yield note(f"Not the value that was asked for: {in_one_line(part['error'], 300)}")
        case "text" | "tool_call" | "output":
            # The text shows the value of an output.
            pass
        case _:
            yield Text(in_one_line(part_in_short(part), 200))
