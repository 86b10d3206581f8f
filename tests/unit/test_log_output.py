"""Lines of the log are gathered for a moment where an event loop runs."""

import asyncio
import subprocess
import sys
from io import StringIO
from operator import itemgetter
from textwrap import dedent

from everruns import log_output
from everruns.log_output import GatheringLogger
from tests.waiting import eventually


class Writes(StringIO):
    """Keeps what was written at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    def write(self, text: str) -> int:
        self.written.append(text)
        return len(text)


def gathering(writes: Writes) -> GatheringLogger:
    return GatheringLogger(writes, itemgetter("event"))


async def test_lines_of_a_moment_are_written_together_and_in_order():
    writes = Writes()
    logger = gathering(writes)
    for line in ("one", "two", "three"):
        logger.info({"event": line})
    assert not writes.written
    await eventually(lambda: writes.written)
    logger.info({"event": "four"})
    await eventually(lambda: len(writes.written) > 1)
    assert writes.written == ["one\ntwo\nthree\n", "four\n"]


async def test_a_warning_is_written_at_once_after_the_lines_before_it():
    writes = Writes()
    logger = gathering(writes)
    logger.debug({"event": "before"})
    logger.warning({"event": "careful"})
    assert writes.written == ["before\ncareful\n"]


def test_without_an_event_loop_every_line_is_written_at_once():
    writes = Writes()
    logger = gathering(writes)
    logger.info({"event": "one"})
    logger.info({"event": "two"})
    assert writes.written == ["one\n", "two\n"]


def test_lines_that_an_event_loop_has_left_come_with_the_next():
    writes = Writes()
    logger = gathering(writes)

    async def log(line: str) -> None:
        logger.info({"event": line})

    asyncio.run(log("one"))
    logger.info({"event": "two"})
    assert writes.written == ["one\ntwo\n"]


async def test_no_more_than_so_many_lines_are_gathered(monkeypatch):
    monkeypatch.setattr(log_output, "MAX_GATHERED", 2)
    writes = Writes()
    logger = gathering(writes)
    for line in ("one", "two", "three"):
        logger.info({"event": line})
    assert writes.written == ["one\ntwo\n"]


def test_a_process_that_ends_writes_what_it_has_gathered():
    code = dedent("""
        import asyncio
        import sys
        from everruns.log_output import GatheringLogger
        async def main():
            GatheringLogger(sys.stderr, str).info("last words")
        asyncio.run(main())
    """)
    program = [sys.executable, "-c", code]
    ran = subprocess.run(program, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stderr == "last words\n"
