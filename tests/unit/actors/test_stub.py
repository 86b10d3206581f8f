"""Objects in another process, called as if they were in this one."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest

from actors.calls.contract import contract_of
from actors.calls.dispatch import dispatch
from actors.calls.stub import stub
from everruns.domain.idempotency import Idempotency
from everruns.errors import EverrunsError, HostLost, SessionNotFound
from everruns.log import current_ids, working_on
from everruns.remote import Repeat, remote
from everruns.tools.base import ToolError


class Target:
    def __init__(self) -> None:
        self.keys: list[Idempotency | None] = []

    @remote(Repeat.YES, timeout_s=7)
    async def say(self, word: str, *, loud: bool = False) -> str:
        """Say a word."""
        return word.upper() if loud else word

    @remote(Repeat.NO)
    async def once(self) -> str:
        return "done"

    @remote(Repeat.KEYED)
    async def keyed(self, name: str, idempotency: Idempotency | None = None, count: int = 1) -> int:
        self.keys.append(idempotency)
        return count

    @remote(Repeat.NO)
    async def fail(self, kind: str) -> None:
        raise {
            "bug": ZeroDivisionError("a mistake"),
            "broken off": asyncio.CancelledError(),
            "product": SessionNotFound("Session s not found", None, 2.5),
            "tool": ToolError("I refuse."),
        }[kind]

    @remote(Repeat.NO)
    async def ids(self) -> dict[str, str]:
        return dict(current_ids())

    async def inner(self) -> None:
        """Not declared, so not to be called."""


class LossyChannel:
    """Carries out calls in this process; the answers of the first ones are lost."""

    def __init__(self, target: Target, losses: int = 0) -> None:
        self.requests: list[bytes] = []
        self.timeouts: list[float] = []
        self._losses = losses

        async def targets() -> dict[str, object]:
            return {"target": target}

        self._dispatch = partial(dispatch, targets)

    async def call(self, request: bytes, timeout_s: float) -> bytes:
        self.requests.append(request)
        self.timeouts.append(timeout_s)
        answer = await self._dispatch(request)
        if self._losses:
            self._losses -= 1
            raise HostLost("The answer was lost.")
        return answer


@pytest.fixture
def target() -> Target:
    return Target()


async def test_a_call_is_one_of_the_object_itself(target: Target):
    assert await stub(Target, LossyChannel(target), "target").say("hi", loud=True) == "HI"


async def test_a_call_takes_as_long_as_its_method_declares(target: Target):
    channel = LossyChannel(target)
    await stub(Target, channel, "target").say("hi")
    assert channel.timeouts == [7]


def test_a_stub_tells_what_its_methods_do(target: Target):
    assert stub(Target, LossyChannel(target), "target").say.__doc__ == "Say a word."


def test_what_is_not_declared_is_not_there(target: Target):
    with pytest.raises(AttributeError, match="'TargetStub' object has no attribute 'inner'"):
        stub(Target, LossyChannel(target), "target").inner()


async def test_errors_come_back_as_they_were_raised(target: Target):
    made = stub(Target, LossyChannel(target), "target")
    with pytest.raises(SessionNotFound) as missing:
        await made.fail("product")
    assert (missing.value.code, missing.value.retry_after_s) == ("SESSION_NOT_FOUND", 2.5)
    with pytest.raises(ToolError, match="I refuse"):
        await made.fail("tool")
    with pytest.raises(HostLost, match="stopping"):
        await made.fail("broken off")


async def test_mistakes_are_told_by_the_log_alone(target: Target):
    with pytest.raises(EverrunsError, match="log has the details under call_") as mistake:
        await stub(Target, LossyChannel(target), "target").fail("bug")
    assert mistake.value.code == "INTERNAL_ERROR"


# Calls whose answer was lost


async def test_what_is_repeatable_is_repeated(target: Target):
    channel = LossyChannel(target, losses=2)
    assert await stub(Target, channel, "target", patience_s=30).say("hi") == "hi"
    assert len(channel.requests) == 3


async def test_what_may_not_be_repeated_is_not(target: Target):
    channel = LossyChannel(target, losses=1)
    with pytest.raises(HostLost):
        await stub(Target, channel, "target", patience_s=30).once()
    assert len(channel.requests) == 1


async def test_without_patience_nothing_is_repeated(target: Target):
    channel = LossyChannel(target, losses=1)
    with pytest.raises(HostLost):
        await stub(Target, channel, "target").say("hi")
    assert len(channel.requests) == 1


KEY = Idempotency("key of a client", "request")
Call = Callable[[Target], Any]


@pytest.mark.parametrize(
    "call",
    [
        lambda made: made.keyed("a", KEY, 2),
        lambda made: made.keyed("a", idempotency=KEY, count=2),
    ],
    ids=["positional", "named"],
)
async def test_a_call_under_a_key_is_repeated_under_it(target: Target, call: Call):
    channel = LossyChannel(target, losses=1)
    assert await call(stub(Target, channel, "target", patience_s=30)) == 2
    first, second = target.keys
    assert first == KEY
    assert second is not None
    assert (second.key, second.is_repeated) == (KEY.key, True)


@pytest.mark.parametrize(
    "call",
    [lambda made: made.keyed("a"), lambda made: made.keyed("a", None, 1)],
    ids=["left out", "given as none"],
)
async def test_a_call_without_a_key_gets_one_of_its_own(target: Target, call: Call):
    channel = LossyChannel(target, losses=1)
    assert await call(stub(Target, channel, "target", patience_s=30)) == 1
    first, second = target.keys
    assert first is not None
    assert second is not None
    assert first.is_of_call
    assert first.key == second.key


# What the other end does with requests that no stub makes


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (("target", "inner", [], {}, {}), "There is no remote method target.inner."),
        (("target", "missing", [], {}, {}), "There is no remote method target.missing."),
        (("target", "__init__", [], {}, {}), "There is no remote method target.__init__."),
        (("nothing", "say", [], {}, {}), "There is no remote method nothing.say."),
        ("no request", "The bytes received are not a request."),
    ],
)
async def test_what_cannot_be_carried_out_is_answered_with_the_reason(
    target: Target, request_: Any, says: str
):
    answer = await LossyChannel(target).call(msgspec.msgpack.encode(request_), 1)
    with pytest.raises(EverrunsError, match=says):
        contract_of(Target)["say"].decode_answer(answer)


async def test_a_call_is_logged_with_its_callers_ids_and_its_own_name(target: Target):
    caller = stub(Target, LossyChannel(target), "target")
    with working_on({"request_id": "request-1", "call": "host.send"}):
        assert await caller.ids() == {"request_id": "request-1", "call": "target.ids"}
        assert current_ids()["call"] == "host.send"
    assert await caller.ids() == {"call": "target.ids"}
