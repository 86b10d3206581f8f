"""A program on a pseudo-terminal, with an emulator that knows what its screen shows."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyte
from pyte.screens import Char

CTRL_C, CTRL_D, ENTER, UP, ALT_ENTER = "\x03", "\x04", "\r", "\x1b[A", "\x1b\r"
HISTORY_LINES = 5000
WAIT_S = 120.0
# They would say what the terminal is like.
UNSET = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"}


class Terminal:
    """A terminal in which a program runs.

    Args:
        master: The terminal's end of the pseudo-terminal.
        process: The program.
        columns: Its width.
        rows: Its height.
    """

    def __init__(
        self, master: int, process: "subprocess.Popen[bytes]", columns: int, rows: int
    ) -> None:
        self.process = process
        self.printed = bytearray()
        self._master = master
        self._screen = pyte.HistoryScreen(columns, rows, history=HISTORY_LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = threading.Condition()
        self._is_over = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        # Reading fails once the program has closed its end.
        with suppress(OSError):
            while piece := os.read(self._master, 65536):
                with self._changed:
                    self.printed += piece
                    self._stream.feed(piece)
                    self._changed.notify_all()
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def enter(self, text: str) -> None:
        """Type a line."""
        self.type(text + ENTER)

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the window."""
        with self._changed:
            self._screen.resize(rows, columns)
        _set_size(self._master, columns, rows)
        self.process.send_signal(signal.SIGWINCH)

    @property
    def screen(self) -> str:
        """What the screen shows now."""
        with self._changed:
            return self._shown()

    @property
    def everything(self) -> str:
        """What was ever shown and not erased: what has scrolled away, and the screen."""
        with self._changed:
            return self._all()

    def rows(self) -> list[list[Char]]:
        """Return what the screen shows now, with its colours, up to the last row in use."""
        with self._changed:
            count = len(self._shown().rstrip().splitlines())
            columns = range(self._screen.columns)
            return [
                [self._screen.buffer[row][column] for column in columns] for row in range(count)
            ]

    def wait_for(self, pattern: str, *, everywhere: bool = False) -> str:
        """Wait until the screen shows a regular expression; return what it shows then."""

        def is_shown() -> bool:
            return bool(
                re.search(pattern, self._all() if everywhere else self._shown(), re.MULTILINE)
            )

        self.wait_until(is_shown, f"{pattern!r} to be shown")
        return self.everything if everywhere else self.screen

    def wait_while(self, pattern: str) -> None:
        """Wait until the screen does not show a regular expression any more."""
        self.wait_until(
            lambda: not re.search(pattern, self._shown(), re.MULTILINE), f"{pattern!r} to go away"
        )

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition of what is shown."""
        with self._changed:
            met = self._changed.wait_for(lambda: condition() or self._is_over, WAIT_S)
            shown = self._all()
            assert met, f"waited for {what}; shown is:\n{shown}"
            assert condition(), f"the program ended before {what}; shown is:\n{shown}"

    def wait_for_end(self) -> int:
        """Wait until the program has ended by itself; return its exit status."""
        status = self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        return status

    def _shown(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display)

    def _all(self) -> str:
        columns = self._screen.columns
        above = [_text(line, columns) for line in self._screen.history.top]
        return "\n".join([*above, self._shown()])


def _set_size(terminal: int, columns: int, rows: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _text(line: dict[int, Char], columns: int) -> str:
    return "".join(line[column].data for column in range(columns)).rstrip()


@contextmanager
def running_in_terminal(
    *words: str, columns: int = 100, rows: int = 30, **environment: str
) -> Iterator[Terminal]:
    """Run the command line on a terminal, and end it afterwards."""
    master, slave = pty.openpty()
    _set_size(slave, columns, rows)
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    process = subprocess.Popen(
        [sys.executable, "-m", "everruns.cli", *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=Path(__file__).parent.parent,
        env={**kept, "TERM": "xterm-256color", **environment},
        start_new_session=True,
    )
    os.close(slave)
    terminal = Terminal(master, process, columns, rows)
    try:
        yield terminal
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)
