"""Observers learn of many appends at once, a moment later, and each of them of all."""

from collections.abc import Sequence

from structlog.testing import capture_logs

from everruns.domain.sessions import Session
from everruns.telemetry.observing import GatheredObservers, Observed
from tests.conversations import Conversation
from tests.scripts import ScriptedDriver, local_runtime, says

PRIVATE = "the cabbage is in the cellar"


class Noting:
    """Notes the types of the events that it is told, and fails as often as it is to."""

    def __init__(self, failures: int = 0) -> None:
        self.types: list[str] = []
        self._failures = failures

    def appended(self, session: Session, observed: Sequence[Observed]) -> None:
        if self._failures:
            self._failures -= 1
            raise ValueError(PRIVATE)
        self.types += [one.event.type for one in observed]


async def test_each_observer_learns_of_all_events_in_the_order_of_the_log():
    first, second = Noting(), Noting()
    gathered = GatheredObservers([first, second])
    async with local_runtime(ScriptedDriver(says("Hello.")), observers=[gathered]) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        gathered.settle()
        assert first.types == second.types == await talk.types()


async def test_one_that_fails_misses_what_it_failed_at_and_nobody_else_misses_anything():
    failing, other = Noting(failures=1), Noting()
    gathered = GatheredObservers([failing, other])
    async with local_runtime(ScriptedDriver(says("Hello.")), observers=[gathered]) as runtime:
        talk = await Conversation.begin(runtime)
        await talk.say("hi")
        with capture_logs() as lines:
            gathered.settle()
        types = await talk.types()
    assert other.types == types
    assert failing.types == types[-len(failing.types) :]
    assert 0 < len(failing.types) < len(types)
    assert [line["event"] for line in lines] == ["events not observed"]
