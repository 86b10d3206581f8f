"""Loops: a model that makes the same calls again and again and learns nothing new.

A *step* is the calls of one answer with their results. What counts is what was seen: a call with
its arguments and its result. A poll whose result changes, and calls with other arguments, show
something new and are not a loop. The calls since the newest user message count. They are counted as
they come, so that a step of a long turn costs no more than one of a short turn.

Source: docs/contract.md, "Loops".
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2s
from typing import Any

import orjson

from everruns.domain.tools import ToolCall

# Repeats among calls that show something new need three times as many to count as a loop.
IN_BETWEEN = 3
# A failing change is stopped after fewer tries than a failing read.
FAILED_CHANGE = 3


@dataclass(frozen=True)
class Seen:
    """What a step has shown of one call.

    Attributes:
        name: The tool.
        in_a_row: In how many steps it was seen since anything new was, this one included.
        in_all: In how many steps it was seen since the user's message.
        failures: How often in a row this call failed, whatever the error said.
    """

    name: str
    in_a_row: int
    in_all: int
    failures: int


@dataclass
class LoopWatch:
    """What calls have shown since the newest user message.

    Attributes:
        step: What the open step has shown so far: the tool, the call's digest and whether it
            failed, by the digest of call and result.
        seen: In how many steps each was seen.
        repeats: In how many steps each was seen since anything new was.
        failures: How often in a row each call failed, by the call's digest.
        last: What the last step has shown.
    """

    step: dict[str, tuple[str, str, bool]] = field(default_factory=dict[str, tuple[str, str, bool]])
    seen: dict[str, int] = field(default_factory=dict[str, int])
    repeats: dict[str, int] = field(default_factory=dict[str, int])
    failures: dict[str, int] = field(default_factory=dict[str, int])
    last: list[Seen] = field(default_factory=list[Seen])

    def note_result(self, call: ToolCall, result: Any, error: str | None) -> None:
        """Take in the result of a call of the open step; the same twice in a step counts once."""
        called = _digest([call.name, call.arguments])
        shown = _digest([called, result, error])
        self.step[shown] = (call.name, called, error is not None)

    def close_step(self) -> None:
        """Count what the step has shown; all of its results are there."""
        if any(shown not in self.seen for shown in self.step):
            self.repeats = {}
        for shown in self.step:
            self.seen[shown] = self.seen.get(shown, 0) + 1
            self.repeats[shown] = self.repeats.get(shown, 0) + 1
        succeeded = {called for _, called, has_failed in self.step.values() if not has_failed}
        failed = {called for _, called, has_failed in self.step.values() if has_failed} - succeeded
        for called in succeeded:
            self.failures.pop(called, None)
        for called in failed:
            self.failures[called] = self.failures.get(called, 0) + 1
        self.last = [
            Seen(name, self.repeats[shown], self.seen[shown], self.failures.get(called, 0))
            for shown, (name, called, _) in self.step.items()
        ]
        self.step = {}


@dataclass(frozen=True)
class Loop:
    """A loop that a model is in.

    Attributes:
        name: The tool that it calls.
        times: How often.
        has_failed: Whether the calls count because they failed, not because they showed the same.
        is_over: Whether the turn is to be ended; otherwise the model is told.
    """

    name: str
    times: int
    has_failed: bool
    is_over: bool

    @property
    def what(self) -> str:
        """What the model does, as the end of a sentence that begins with who does it."""
        outcome = "it failed" if self.has_failed else "the result was the same"
        return f"called {self.name} with the same arguments {self.times} times, and {outcome}"

    @property
    def note(self) -> str:
        """What the model is told."""
        return (
            f"(You have {self.what} each time. Nothing will change if you do it again: do "
            "something else, or answer with what you know and what is missing. If this goes on, "
            "the turn is ended.)"
        )


def find_loop(watch: LoopWatch, has_effects: Callable[[str], bool], limit: int) -> Loop | None:
    """Return the loop that the last step belongs to, if any.

    The model is told after half of the limit. A call that changes something and fails has a third
    of it; the same call with others in between that show something new has three times it.

    Args:
        watch: What calls have shown.
        has_effects: Tells by a tool's name whether its calls change something.
        limit: After how many times the turn is ended; 0 for never.
    """
    if not limit:
        return None
    worst: tuple[float, int, str, bool] = (0, 0, "", False)
    for seen in watch.last:
        in_a_row, in_all = seen.in_a_row / limit, seen.in_all / (limit * IN_BETWEEN)
        times = seen.in_a_row if in_a_row >= in_all else seen.in_all
        worst = max(worst, (max(in_a_row, in_all), times, seen.name, False))
        if has_effects(seen.name) and seen.failures > 1:
            worst = max(
                worst, (FAILED_CHANGE * seen.failures / limit, seen.failures, seen.name, True)
            )
    share, times, name, has_failed = worst
    if share < 1 / 2 or times < 2:
        return None
    return Loop(name, times, has_failed, is_over=share >= 1)


def _digest(value: Any) -> str:
    content = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return blake2s(content, digest_size=12).hexdigest()
