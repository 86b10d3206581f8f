"""The rule for appends, a compare-and-append that keeps two owners from running one session."""

from collections.abc import Callable, Mapping, Sequence

from everruns.errors import SequenceConflict, SessionNotFound
from everruns.storage.logs import Append, Verdict

StoredBodies = Callable[[str, int, int], Sequence[bytes]]


def judge(
    appends: Sequence[Append], lengths: Mapping[str, int], stored: StoredBodies
) -> tuple[list[Verdict], list[Append]]:
    """Decide a batch of appends in the order given.

    An append is accepted if it continues its log. An append that repeats stored events is a retry
    whose first answer was lost: it succeeds and is not stored again. The bodies are compared, since
    two owners can give different events of the same millisecond the same id.

    Args:
        appends: The batch; several may be for the same session.
        lengths: The sequence of the last event of each existing session.
        stored: Returns the bodies of a session's events from a first to a last sequence.

    Returns:
        A verdict for each append, and the appends to store.

    Source: docs/contract.md, "Events".
    """
    reached = dict(lengths)
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
