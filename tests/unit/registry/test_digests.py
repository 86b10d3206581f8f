"""Digests: equal for equal sets of sessions, and for no others."""

from hypothesis import given
from hypothesis import strategies as st

from everruns.registry.reports import Digest

sets = st.frozensets(st.sampled_from([f"session_{number}" for number in range(8)]))


@given(one=sets, other=sets)
def test_two_sets_have_one_digest_only_if_they_are_the_same(
    one: frozenset[str], other: frozenset[str]
):
    assert (Digest.of(one) == Digest.of(other)) == (one == other)


@given(held=sets, come=sets)
def test_sessions_that_come_and_go_leave_the_digest_of_what_stays(
    held: frozenset[str], come: frozenset[str]
):
    digest = Digest.of(held)
    for session_id in come - held:
        digest = digest.plus(session_id)
    for session_id in held:
        digest = digest.minus(session_id)
    assert digest == Digest.of(come - held)


def test_every_process_has_the_same_digest_of_a_session():
    assert Digest.of(["session_1"]) == Digest(1, 0xA71A_F9DE_94ED_611A)
