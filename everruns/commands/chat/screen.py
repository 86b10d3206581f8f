"""The terminal of a conversation: what was said scrolls up, what goes on and the input stay below.

prompt_toolkit draws the part below. What was said is printed once, above it, and then belongs to
the terminal.
"""

import sys
from collections.abc import Callable, Sequence
from typing import cast

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Size
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    FormattedTextControl,
    HSplit,
    Layout,
    Window,
)
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.output.vt100 import Vt100_Output
from rich.console import Console
from rich.text import Text

from everruns.commands.chat.markdown import rows_of

PROMPT = "> "
MAX_INPUT_ROWS = 8


class Screen:
    """Shows a conversation and takes what is typed.

    Args:
        rows: Returns what goes on, in rows of at most a width.
        entered: Told of each text that is entered.
        interrupted: Told of Ctrl-C.
    """

    def __init__(
        self,
        rows: Callable[[int], Sequence[Text]],
        entered: Callable[[str], None],
        interrupted: Callable[[], None],
    ) -> None:
        self._rows = rows
        self._entered = entered
        self._console = Console()
        self._prompt = PROMPT
        self._is_left = False
        self._buffer = Buffer(multiline=True, history=InMemoryHistory())
        # What was typed of a message when a question came.
        self._unfinished: Document | None = None
        output = Vt100_Output.from_pty(sys.stdout)
        # A late answer to a request for the cursor's position looks like typed text.
        output.enable_cpr = False
        self._app: Application[None] = Application(
            layout=Layout(self._below()),
            key_bindings=self._keys(interrupted),
            output=output,
            erase_when_done=True,
        )

    async def run(self) -> None:
        """Take input until ``leave`` is called."""
        if not self._is_left:
            await self._app.run_async(handle_sigint=False)

    def leave(self) -> None:
        """End the input; once is enough, and it may not have begun."""
        self._is_left = True
        if self._app.is_running and not self._app.is_done:
            self._app.exit()

    def print(self, lines: Sequence[Text]) -> None:
        """Print lines above what goes on."""
        with self._console.capture() as capture:
            for line in lines:
                for row in rows_of(line, self._size.columns):
                    self._console.print(row, soft_wrap=True)
        printed = capture.get().replace("\n", "\r\n")
        if printed and self._app.is_running:
            self._app.renderer.erase()
        self._app.output.write_raw(printed)
        self._app.output.flush()
        self.refresh()

    def refresh(self) -> None:
        """Draw what goes on anew."""
        self._app.invalidate()

    def ask(self, prompt: str) -> None:
        """Let the input line be the answer to a question.

        It begins empty, so that what was typed for something else answers nothing.
        """
        if self._unfinished is None:
            self._unfinished = self._buffer.document
        self._prompt = prompt
        self._buffer.reset()

    def ask_nothing(self) -> None:
        """Let the input line be a message again, with what was typed of it before the question."""
        if self._unfinished is not None:
            self._buffer.reset(self._unfinished)
            self._unfinished = None
        self._prompt = PROMPT

    def give_back(self, text: str) -> None:
        """Put a message that was not sent back into the input line, unless another is typed."""
        if self._unfinished is None and not self._buffer.text:
            self._buffer.reset(Document(text))

    def clear_input(self) -> bool:
        """Drop what is typed; return whether there was anything."""
        was_typed = bool(self._buffer.text)
        self._buffer.reset()
        return was_typed

    @property
    def _size(self) -> Size:
        return self._app.output.get_size()

    def _below(self) -> HSplit:
        going_on = Window(FormattedTextControl(self._going_on), dont_extend_height=True)
        line = Window(
            BufferControl(
                self._buffer, input_processors=[BeforeInput(lambda: self._prompt, style="bold")]
            ),
            height=Dimension(min=1, max=MAX_INPUT_ROWS),
            wrap_lines=True,
            dont_extend_height=True,
        )
        has_rows = Condition(lambda: bool(self._rows(self._size.columns)))
        return HSplit([ConditionalContainer(going_on, has_rows), line])

    def _going_on(self) -> ANSI:
        size = self._size
        rows = self._rows(size.columns)[-max(1, size.rows - MAX_INPUT_ROWS) :]
        with self._console.capture() as capture:
            self._console.print(Text("\n").join(rows), soft_wrap=True, end="")
        return ANSI(capture.get())

    def _keys(self, interrupted: Callable[[], None]) -> KeyBindings:
        keys = KeyBindings()
        is_empty = Condition(lambda: not self._buffer.text)

        @keys.add("enter")
        def _(_event: KeyPressEvent) -> None:
            text = self._buffer.text
            self._buffer.reset(append_to_history=self._unfinished is None)
            self._entered(text)

        @keys.add("escape", "enter")
        def _(_event: KeyPressEvent) -> None:
            self._buffer.insert_text("\n")

        @keys.add("c-c")
        def _(_event: KeyPressEvent) -> None:
            interrupted()

        @keys.add("c-d", filter=is_empty)
        def _(_event: KeyPressEvent) -> None:
            self.leave()

        @keys.add("c-z")
        def _(event: KeyPressEvent) -> None:
            cast("Application[None]", event.app).suspend_to_background()

        return keys
