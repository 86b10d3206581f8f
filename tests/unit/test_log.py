"""The log has the ids of the work that writes it, and not what others have said."""

import asyncio
import json
import subprocess
import sys
from textwrap import dedent
from typing import Any

import pytest
from structlog.testing import capture_logs

from everruns.errors import NotFound
from everruns.log import add_ids, current_ids, error_kind, no_ids, replace_exception, working_on
from everruns.log_exceptions import describe_exception

SAID = "the cabbage is in the cellar"


def printed(code: str) -> list[dict[str, Any]]:
    """The lines of a process that runs this code; nothing else is on its standard error."""
    ran = subprocess.run(
        [sys.executable, "-c", dedent(code)], capture_output=True, text=True, timeout=60, check=True
    )
    assert SAID not in ran.stderr
    return [json.loads(line) for line in ran.stderr.splitlines()]


def test_a_line_says_which_process_wrote_it_when_and_how_grave_it_is():
    (line,) = printed("""
        import structlog
        from everruns.log import configure_log
        configure_log("info", actor="session-actor-3", node="ab12")
        structlog.get_logger().debug("not this")
        structlog.get_logger().info("hello", size_bytes=3)
    """)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "actor": "session-actor-3",
        "node": "ab12",
        "event": "hello",
        "size_bytes": 3,
        "level": "info",
    }


def test_libraries_and_threads_are_logged_without_their_words():
    lines = printed(f"""
        import logging, threading
        from everruns.log import configure_log
        configure_log("info")
        said = "{SAID}"
        logging.getLogger("some.library").warning("Sent %s", said)
        logging.getLogger("some.library").info("not this")
        try:
            raise ValueError(said)
        except ValueError:
            logging.getLogger("other").exception(f"Failed: {{said}}")
        def fail():
            raise KeyError(said)
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    """)
    warned, failed, thread = lines
    assert (warned["library"], warned["level"]) == ("some.library", "warning")
    assert warned["place"].endswith(":6")
    assert (failed["library"], failed["level"]) == ("other", "error")
    assert "builtins.ValueError" in failed["exception"]
    assert (thread["event"], thread["level"]) == ("thread failed", "error")
    assert "builtins.KeyError" in thread["exception"]


def test_an_exception_among_the_fields_of_a_line_is_shown_as_its_kind():
    (line,) = printed(f"""
        import structlog
        from everruns.log import configure_log
        configure_log("info")
        error = ValueError("postgresql://app:{SAID}@db/app")
        structlog.get_logger().warning("not opened", error=error)
    """)
    assert line["error"] == "ValueError"


def test_a_text_that_is_no_unicode_is_logged_all_the_same():
    (line,) = printed("""
        import structlog
        from everruns.log import configure_log
        configure_log("info")
        structlog.get_logger().info("odd", text=chr(0xD800))
    """)
    assert line["text"] == "\ud800"
    assert line["timestamp"].endswith("Z")


def test_a_line_that_cannot_be_encoded_says_so_and_takes_no_other_with_it():
    first, second = printed("""
        import asyncio
        import structlog
        from everruns.log import configure_log
        configure_log("info")
        async def main():
            circle = []
            circle.append(circle)
            structlog.get_logger().info("odd", value=circle)
            structlog.get_logger().info("even")
        asyncio.run(main())
    """)
    assert (first["event"], first["level"], first["unencodable"]) == ("odd", "info", "ValueError")
    assert second["event"] == "even"


def test_work_is_logged_with_its_own_ids_and_no_others():
    with working_on({"request_id": "r1"}):
        with working_on({"turn_id": "t1"}):
            assert add_ids(None, "info", {"event": "x"}) == {"turn_id": "t1", "event": "x"}
        assert current_ids() == {"request_id": "r1"}
    assert current_ids() == {}


def test_what_a_line_says_itself_counts():
    with working_on({"session_id": "s1"}):
        line = add_ids(None, "info", {"event": "x", "session_id": "s2"})
    assert line["session_id"] == "s2"


async def test_a_task_has_the_ids_of_whoever_started_it_unless_it_works_for_others_too():
    async def ids() -> dict[str, str]:
        await asyncio.sleep(0)
        return dict(current_ids())

    with working_on({"request_id": "r1"}):
        own, shared = asyncio.create_task(ids()), asyncio.create_task(ids(), context=no_ids())
    assert await own == {"request_id": "r1"}
    assert await shared == {}


def test_an_exception_is_logged_with_its_place_and_without_its_message_and_locals():
    def fail(text: str) -> None:
        raise ValueError(f"cannot read {text}")

    with capture_logs([replace_exception]) as lines:
        try:
            fail(SAID)
        except ValueError:
            log_exception()

    (line,) = lines
    assert "in fail" in line["exception"]
    assert line["exception"].endswith("builtins.ValueError\n")
    assert SAID not in str(lines)


def log_exception() -> None:
    import structlog

    structlog.get_logger("test").exception("failed")


def test_what_led_to_an_exception_is_described_too():
    def fail() -> None:
        try:
            raise KeyError(SAID)
        except KeyError as error:
            raise NotFound(SAID) from error

    with pytest.raises(NotFound) as raised:
        fail()
    described = describe_exception(raised.value)
    first, second = described.split("\nThe direct cause of:\n")
    assert first.endswith("builtins.KeyError\n")
    assert second.endswith("everruns.errors.NotFound\n")
    assert SAID not in described


def test_the_exceptions_of_a_group_are_described_each():
    described = describe_exception(ExceptionGroup(SAID, [ValueError(SAID), KeyError(SAID)]))
    assert "builtins.ValueError" in described
    assert "builtins.KeyError" in described
    assert SAID not in described


def test_a_long_chain_of_exceptions_is_cut_off():
    error: Exception = ValueError("the first")
    for number in range(1000):
        later = ValueError(number)
        later.__cause__ = error
        error = later
    assert describe_exception(error).count("ValueError") == 8


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotFound(SAID), "NOT_FOUND"),
        (NotFound(SAID, "AGENT_NOT_FOUND"), "AGENT_NOT_FOUND"),
        (OSError(28, "No space left on device", SAID), "OSError: No space left on device"),
        (ConnectionError(SAID), "ConnectionError"),
        (ValueError(SAID), "ValueError"),
        (caused(ConnectionResetError(SAID), KeyError(SAID)), "ConnectionResetError of KeyError"),
    ],
)
def test_the_kind_of_an_error_does_not_quote_anybody(error: Exception, kind: str):
    assert error_kind(error) == kind
