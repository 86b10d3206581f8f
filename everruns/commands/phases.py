"""What a command does while it starts: one line for each phase, with the seconds it took."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

from everruns.own_process import own_process

# Each drawing takes CPU from what starts.
DRAWN_PER_S = 4


class _Seconds(ProgressColumn):
    """How long a phase has taken so far."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.elapsed or 0:.0f} s")


class Phases:
    """Phases of a start, one after the other.

    On a terminal the one that runs has a spinner; each that has ended is a line, there and in a
    pipe. If an error ends the context, the phase that ran is not shown: the error comes next.

    Args:
        console: Where they are shown.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began_s = own_process().started_ms / 1000
        self._phase: str | None = None
        self._phase_began = 0.0
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description} …"),
            _Seconds(),
            console=console,
            transient=True,
            refresh_per_second=DRAWN_PER_S,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._end_phase()
        self._progress.stop()

    @property
    def seconds(self) -> float:
        """Seconds since this process began."""
        return time.time() - self._began_s

    def begin(self, phase: str) -> None:
        """Begin a phase; the one before it ends."""
        self._end_phase()
        self._phase, self._phase_began = phase, time.monotonic()
        self._progress.add_task(phase, total=None)
        self._progress.start()

    def end(self) -> None:
        """End the phase that runs, and show nothing until another begins."""
        self._end_phase()
        self._progress.stop()

    def _end_phase(self) -> None:
        if self._phase is None:
            return
        seconds = time.monotonic() - self._phase_began
        for task in self._progress.task_ids:
            self._progress.remove_task(task)
        self._console.print(f"{self._phase} … {seconds:.1f} s", highlight=False)
        self._phase = None
