"""What a run shows while it lasts: a line for each file of tests when its last test has ended."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import pytest

SLOW_S = 10.0


def file_of(node_id: str) -> str:
    """Return the file that a test is in."""
    return node_id.partition("::")[0]


class Progress:
    """Prints files instead of a dot for each test; registered where results are reported.

    Args:
        terminal: Where to print.
    """

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal
        self._left: Counter[str] = Counter()
        self._took_s: defaultdict[str, float] = defaultdict(float)
        self._outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count the tests of each file, where one process runs them all."""
        self._expect(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: Sequence[str]) -> None:
        """Count the tests of each file, which every process collects alike."""
        if not self._left:
            self._expect(ids)

    def _expect(self, node_ids: Iterable[str]) -> None:
        self._left.update(map(file_of, node_ids))

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Print nothing for a test that passed."""
        return ("passed", "", "") if report.when == "call" and report.passed else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a phase of a test; print a file that it ends, and what takes long."""
        file = file_of(report.nodeid)
        self._took_s[file] += report.duration
        if report.duration >= SLOW_S:
            self._print(f"{report.duration:6.0f} s  {report.when} of {report.nodeid}")
        if report.when == "call" or report.outcome != "passed":
            self._outcomes[file][report.outcome] += 1
        if report.when == "teardown":
            self._left[file] -= 1
            if self._left[file] == 0:
                counted = ", ".join(f"{n} {name}" for name, n in self._outcomes[file].items())
                self._print(f"{self._took_s[file]:6.0f} s  {file}: {counted}")

    def _print(self, line: str) -> None:
        self._terminal.ensure_newline()
        self._terminal.write_line(line)
