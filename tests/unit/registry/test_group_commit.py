"""The event log merges appends into batches and tells each caller its own verdict."""

import asyncio
from collections.abc import Sequence

import pytest

from everruns.domain.sessions import SessionSummary
from everruns.errors import SequenceConflict, StoreOverloaded, StoreUnavailable
from everruns.registry import group_commit
from everruns.registry.group_commit import GroupCommit
from everruns.storage.logs import Append, Verdict
from tests.waiting import eventually


def append(name: str) -> Append:
    return Append(name, 1, [], SessionSummary(), 1)


class Commits:
    """Keeps the batches it gets; the first waits until the test lets it go."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.open = asyncio.Event()
        self.refused: dict[str, Verdict] = {}
        self.failures: list[Exception] = []

    async def __call__(self, appends: Sequence[Append]) -> Sequence[Verdict]:
        self.batches.append([item.session_id for item in appends])
        await self.open.wait()
        if self.failures:
            raise self.failures.pop(0)
        return [self.refused.get(item.session_id) for item in appends]


async def test_an_append_alone_waits_for_nobody():
    commits = Commits()
    commits.open.set()
    await GroupCommit(commits).append(append("a"))
    assert commits.batches == [["a"]]


async def test_appends_that_arrive_during_a_commit_are_merged_into_the_next():
    commits = Commits()
    log = GroupCommit(commits)
    first = asyncio.create_task(log.append(append("first")))
    await eventually(lambda: commits.batches)
    later = [asyncio.create_task(log.append(append(f"s{number}"))) for number in range(5)]
    await asyncio.sleep(0)
    commits.open.set()
    await asyncio.gather(first, *later)
    assert commits.batches == [["first"], ["s0", "s1", "s2", "s3", "s4"]]


async def test_each_caller_gets_its_own_verdict():
    commits = Commits()
    commits.open.set()
    commits.refused = {"b": SequenceConflict("taken")}
    log = GroupCommit(commits)
    outcomes = await asyncio.gather(
        *(log.append(append(name)) for name in "abc"), return_exceptions=True
    )
    assert outcomes[0] is outcomes[2] is None
    assert isinstance(outcomes[1], SequenceConflict)
    assert await log.append_all([append("b"), append("c")]) == [commits.refused["b"], None]


@pytest.mark.parametrize("failure", [StoreUnavailable("down"), RuntimeError("unforeseen")])
async def test_a_commit_that_fails_fails_only_its_batch(failure: Exception):
    commits = Commits()
    commits.failures = [failure]
    log = GroupCommit(commits)
    first = [asyncio.create_task(log.append(append(name))) for name in "ab"]
    await eventually(lambda: commits.batches)
    second = asyncio.create_task(log.append(append("c")))
    await asyncio.sleep(0)
    commits.open.set()
    for task in first:
        with pytest.raises(StoreUnavailable):
            await task
    await second
    assert commits.batches == [["a", "b"], ["c"]]


async def test_a_caller_that_gives_up_disturbs_nobody():
    commits = Commits()
    log = GroupCommit(commits)
    gone = asyncio.create_task(log.append(append("gone")))
    other = asyncio.create_task(log.append(append("other")))
    await eventually(lambda: commits.batches)
    gone.cancel()
    commits.open.set()
    await other
    await log.append(append("next"))
    assert commits.batches == [["gone", "other"], ["next"]]


async def test_batches_and_waiting_appends_are_bounded(monkeypatch):
    monkeypatch.setattr(group_commit, "MAX_BATCH", 2)
    monkeypatch.setattr(group_commit, "MAX_WAITING", 4)
    commits = Commits()
    log = GroupCommit(commits)
    tasks = [asyncio.create_task(log.append(append(name))) for name in "abcd"]
    await eventually(lambda: commits.batches)
    tasks.append(asyncio.create_task(log.append_all([append("e"), append("f")])))
    await asyncio.sleep(0)
    with pytest.raises(StoreOverloaded):
        await log.append(append("g"))
    commits.open.set()
    await asyncio.gather(*tasks)
    assert commits.batches == [["a", "b"], ["c", "d"], ["e", "f"]]
