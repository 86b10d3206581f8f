"""Markdown as it is shown line by line: every character stays, some get a style."""

import re

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

_FENCE = re.compile(r"\s*(?P<marks>`{3,}|~{3,})(?P<info>[^`]*)$")
_HEADING = re.compile(r"#{1,6} ")
_ADDRESS = re.compile(r"\S*://\S+")
_MARKER = re.compile(r"(?P<indent>\s*)(?P<mark>[-*+]|\d{1,9}[.)]) +")
_INLINE = (
    (r"\*\*(?=\S)(?:[^*]|\*(?!\*))+?(?<=\S)\*\*", "bold"),
    (r"(?<![\w*])\*(?=[^\s*])[^*]+?(?<=[^\s*])\*(?![\w*])", "italic"),
    (r"`[^`]+`", "cyan"),
    (r"https?://[^\s<>\"')\]]+", "underline"),
)
# Breaking lines takes one, whatever it prints to.
_UNITS = Console()
MAX_STYLED_CHARACTERS = 2000
"""A longer line has no styles and is broken by the terminal, since both take long here."""


class Markdown:
    """Gives the lines of one message their styles, in order."""

    def __init__(self) -> None:
        self._fence: str | None = None

    def take(self, line: str) -> Text:
        """Return the next line with its styles."""
        shown = self.preview(line)
        if mark := _FENCE.match(line):
            if self._fence is None:
                self._fence = mark["marks"]
            elif mark["marks"].startswith(self._fence) and not mark["info"].strip():
                self._fence = None
        return shown

    def preview(self, line: str) -> Text:
        """Return a line with its styles while it is being written."""
        if self._fence is not None or _FENCE.match(line):
            style = "dim" if _FENCE.match(line) else "cyan"
            # Code keeps its line breaks, so that it can be copied.
            return Text(line, style, no_wrap=True)
        if _HEADING.match(line):
            return Text(line, "bold")
        text = Text(line)
        if len(line) > MAX_STYLED_CHARACTERS:
            return text
        if marker := _MARKER.match(line):
            text.stylize("cyan", *marker.span("mark"))
        for pattern, style in _INLINE:
            text.highlight_regex(pattern, style)
        return text


def rows_of(text: Text, width: int) -> list[Text]:
    """Break a line into rows between its words; rows of a list's entry begin below its text.

    Args:
        text: The line. One that is not to be broken stays whole, or ends with an ellipsis.
        width: Columns of the terminal.
    """
    if text.no_wrap and text.overflow == "ellipsis":
        text.truncate(width)
    if text.no_wrap or len(text) > MAX_STYLED_CHARACTERS or text.cell_len <= width:
        return [text]
    if any(cell_len(address) > width for address in _ADDRESS.findall(text.plain)):
        # In one piece it can be followed and copied.
        return [text]
    marker = _MARKER.match(text.plain)
    indent = marker.end() if marker and marker.end() < width // 2 else 0
    rows = text[indent:].wrap(_UNITS, width - indent)
    return [text[:indent] + rows[0], *(Text(" " * indent) + row for row in rows[1:])]
