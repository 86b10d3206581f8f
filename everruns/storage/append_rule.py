"""The fence: the rules that keep two owners from running one session.

A session has a number that grows whenever it is taken. An append is stored if it brings the newest
number and continues the log. Both are compared where the append is stored, so it does not matter
who believes what: which host holds the session, or which registry is the newest.
"""

from collections.abc import Callable, Mapping, Sequence

from everruns.errors import PlacedElsewhere, RegistryReplaced, SequenceConflict, SessionNotFound
from everruns.storage.logs import Append, LogHead, Verdict

StoredBodies = Callable[[str, int, int], Sequence[bytes]]


def check_life(life: int, newest: int) -> None:
    """Check that a registry may still take sessions.

    Args:
        life: The registry's life.
        newest: The life of the registry that began last.

    Raises:
        RegistryReplaced: Another registry has begun since.
    """
    if life < newest:
        raise RegistryReplaced(
            f"Another registry has taken over: its life is {newest}, that of this one {life}."
            " Try again shortly.",
            None,
            1.0,
        )


def judge(
    appends: Sequence[Append], heads: Mapping[str, LogHead], stored: StoredBodies
) -> tuple[list[Verdict], list[Append]]:
    """Decide a batch of appends in the order given.

    An append is accepted if its holder has the session and it continues the log. An append of the
    holder that repeats stored events is a retry whose first answer was lost: it succeeds and is not
    stored again. The bodies are compared, since two owners can give different events of the same
    millisecond the same id. An earlier holder is refused whatever it appends, also what is stored:
    it has to let go of the session, and whoever waits for it finds the event in the log.

    Args:
        appends: The batch; several may be for the same session.
        heads: Where the log of each existing session stands.
        stored: Returns the bodies of a session's events from a first to a last sequence.

    Returns:
        A verdict for each append, and the appends to store.

    Source: docs/contract.md, "Events".
    """
    reached = {session_id: head.length for session_id, head in heads.items()}
    accepted: list[Append] = []

    def is_retry(append: Append) -> bool:
        last = append.expected + len(append.events) - 1
        bodies = list(stored(append.session_id, append.expected, last))
        for earlier in accepted:
            if earlier.session_id == append.session_id:
                bodies += [
                    event.body
                    for event in earlier.events
                    if append.expected <= event.sequence <= last
                ]
        return bodies == [event.body for event in append.events]

    def decide(append: Append) -> Verdict:
        session_id = append.session_id
        if session_id not in reached:
            return SessionNotFound(f"Session {session_id} not found")
        if append.holder not in {None, heads[session_id].holder}:
            return PlacedElsewhere(f"Session {session_id} was taken by another holder.")
        length = reached[session_id]
        if append.expected == length + 1 and _is_numbered(append):
            accepted.append(append)
            reached[session_id] = length + len(append.events)
            return None
        if append.expected <= length and is_retry(append):
            return None
        return SequenceConflict(
            f"The log of session {session_id} has {length} events,"
            f" so event {append.expected} cannot be stored"
        )

    return [decide(append) for append in appends], accepted


def first_of_each_session(appends: Sequence[Append]) -> list[Append]:
    """Return the first append of each session, unless it is numbered incorrectly."""
    first: dict[str, Append] = {}
    for append in appends:
        first.setdefault(append.session_id, append)
    return [append for append in first.values() if _is_numbered(append)]


def _is_numbered(append: Append) -> bool:
    return all(
        event.sequence == sequence and event.session_id == append.session_id
        for sequence, event in enumerate(append.events, append.expected)
    )
