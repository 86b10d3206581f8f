"""What session hosts tell of themselves, in a few bytes however many sessions they hold."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from everruns.address import Address
from everruns.domain.cluster import Activity
from everruns.own_process import MachineUse, ProcessUse

HASH_BYTES = 8


@dataclass(frozen=True)
class Digest:
    """What two processes compare to find out whether they know of the same sessions.

    It follows the set one session at a time, in whatever order they come and go. By chance two
    sets have the same digest once in 2^64 times; nobody can seek such sets, because the server
    chooses the ids of sessions.

    Attributes:
        count: How many sessions.
        mixed: The hashes of their ids, combined by exclusive or; 64 bits.
    """

    count: int = 0
    mixed: int = 0

    @classmethod
    def of(cls, session_ids: Iterable[str]) -> "Digest":
        """Return the digest of different sessions."""
        digest = cls()
        for session_id in session_ids:
            digest = digest.plus(session_id)
        return digest

    def plus(self, session_id: str) -> "Digest":
        """Return the digest with a session that was not in the set."""
        return Digest(self.count + 1, self.mixed ^ _hash(session_id))

    def minus(self, session_id: str) -> "Digest":
        """Return the digest without a session that was in the set."""
        return Digest(self.count - 1, self.mixed ^ _hash(session_id))


@dataclass(frozen=True)
class HostReport:
    """What a host tells of itself.

    Attributes:
        held: The digest of the sessions that it holds, those included that it is loading.
        size_bytes: The size of its sessions; see ``LiveSession.size_bytes``.
        node: The node that it runs on; empty without a cluster.
        address: Where it takes calls, if it takes them directly.
    """

    held: Digest
    size_bytes: int
    node: str = ""
    address: Address | None = None


@dataclass(frozen=True)
class HostFigures:
    """What a host is doing, for people.

    Attributes:
        process: What its process uses.
        machine: What its machine uses.
        turns_running: Turns that can go on.
        turns_waiting: Turns in its memory that wait for somebody, or for a time.
        streams: Places in sessions that are being followed.
        activity: What its turns have come to since it started.
    """

    process: ProcessUse
    machine: MachineUse
    turns_running: int
    turns_waiting: int
    streams: int
    activity: Activity


def _hash(session_id: str) -> int:
    """Return the same in every process, unlike Python's own hash of text."""
    return int.from_bytes(blake2b(session_id.encode(), digest_size=HASH_BYTES).digest(), "big")
