"""Who took which session and who appended: what a simulated cluster may never get wrong."""

from collections.abc import Sequence
from typing import Any

from everruns.storage.logs import FIRST_HOLDER, Append, Verdict
from tests.simulated_processes import Process


class Witness:
    """Notes who took which session and who appended, in the order in which it happened.

    A number is handed out once, by the newest registry, and one process alone appends with it,
    until the next number has been handed out.
    """

    def __init__(self) -> None:
        self.asked: dict[tuple[str, int | None, bytes], Process] = {}
        self.violations: list[str] = []
        self._life = 0
        self._holders: dict[str, int] = {}
        self._owners: dict[tuple[str, int], Process] = {}
        self._lengths: dict[str, int] = {}

    def note_asked(self, appends: Sequence[Append], by: Process) -> None:
        """Remember who wants to append what."""
        for append in appends:
            if append.events:
                self.asked[_identity(append)] = by

    def note_stored(self, append: Append) -> None:
        """Remember who appended to whose session, unless it was stored before."""
        if append.expected <= self._lengths.get(append.session_id, 0):
            return
        self._lengths[append.session_id] = append.events[-1].sequence
        asked = self.asked[_identity(append)]
        assert append.holder is not None
        owner = self._owners.setdefault((append.session_id, append.holder), asked)
        if asked is not owner:
            self.violations.append(f"{asked.name} wrote what {owner.name} owned")
        if append.holder != self._holders.get(append.session_id, FIRST_HOLDER):
            self.violations.append(f"{asked.name} wrote what was taken from it")

    def note_taken(self, session_id: str, life: int, holder: int) -> None:
        """Remember the number that a registry of this life hands out."""
        if life != self._life:
            self.violations.append(f"life {life} handed out a session in life {self._life}")
        if holder <= self._holders.get(session_id, FIRST_HOLDER):
            self.violations.append(f"the number {holder} was handed out again")
        self._holders[session_id] = holder

    def watch(self, store: Any) -> None:
        """See what is taken from a store and appended to it from now on."""
        take, append, begin_life = store.sessions.take, store.logs.append, store.registry.begin_life

        def begin_and_note() -> int:
            self._life = begin_life()
            return self._life

        def take_and_note(session_id: str, life: int, snapshot_format: int | None = None) -> Any:
            taken = take(session_id, life, snapshot_format)
            if taken is not None:
                self.note_taken(session_id, life, taken.holder)
            return taken

        def append_and_note(appends: Sequence[Append]) -> list[Verdict]:
            verdicts = append(appends)
            for one, verdict in zip(appends, verdicts, strict=True):
                if verdict is None and one.events:
                    self.note_stored(one)
            return verdicts

        store.sessions.take, store.logs.append = take_and_note, append_and_note
        store.registry.begin_life = begin_and_note


def _identity(append: Append) -> tuple[str, int | None, bytes]:
    """Tell appends apart; two owners can make the same event, but not with the same number."""
    return append.session_id, append.holder, append.events[0].body
