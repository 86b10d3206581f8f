"""What a credential with limits may do, and where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.domain.rights import ANYBODY, RIGHTS, Grant, Principal
from everruns.domain.sessions import Session
from everruns.errors import Forbidden
from everruns.storage.memory.store import MemoryStore
from everruns.storage.sessions import SessionQuery

AGENTS = [f"agent_{digit * 32}" for digit in "12"]
USERS = [None, "", "alice", "bob"]


def session(number: int, agent_id: str | None, end_user: str | None) -> Session:
    return Session(
        id=f"session_{number:032x}",
        agent_id=agent_id,
        end_user=end_user,
        harness_id="harness",
        organization_id="org",
        workspace_id=f"workspace_{number:032x}",
        created_at="2026-01-01T00:00:00.000Z",
        updated_at="2026-01-01T00:00:00.000Z",
    )


SESSIONS = [
    session(4 * row + column, agent_id, end_user)
    for row, agent_id in enumerate([None, *AGENTS])
    for column, end_user in enumerate(USERS)
]

grants = st.builds(
    Grant,
    rights=st.just(["read"]),
    agent_ids=st.lists(st.sampled_from(AGENTS), unique=True),
    end_user=st.sampled_from(USERS),
    session_id=st.sampled_from([None, *(item.id for item in SESSIONS)]),
)


@given(grants, st.sampled_from(SESSIONS))
def test_a_session_is_in_scope_by_its_id_or_by_its_agent_and_end_user(
    grant: Grant, session: Session
):
    if grant.session_id is not None:
        expected = session.id == grant.session_id
    else:
        expected = session.agent_id in grant.agent_ids and (
            grant.end_user in (None, session.end_user)
        )

    assert grant.covers(session) == expected


@given(grants)
def test_a_list_shows_exactly_what_is_in_scope(grant: Grant):
    store = MemoryStore()
    for item in SESSIONS:
        store.sessions.insert(item)

    listed, total = store.sessions.list(SessionQuery(within=grant, limit=100))

    assert {item.id for item in listed} == {item.id for item in SESSIONS if grant.covers(item)}
    assert total == len(listed)


def test_a_session_without_an_agent_is_in_no_agents_scope():
    assert not Grant(rights=["read"]).covers(session(0, None, None))


@pytest.mark.parametrize("right", sorted(RIGHTS))
def test_a_right_that_was_not_granted_is_named_with_its_meaning(right: str):
    others = [other for other in RIGHTS if other != right]

    Grant(rights=list(RIGHTS)).require(right)
    with pytest.raises(Forbidden, match=rf"needs the right {right} \(") as refused:
        Grant(rights=others).require(right)
    assert RIGHTS[right] in refused.value.message


@pytest.mark.parametrize("field", ["system_prompt", "model_id", "capabilities", "workspace_id"])
def test_who_has_limits_creates_sessions_of_an_agent_as_it_is(field: str):
    grant = Grant(rights=["create_sessions"])

    grant.check_session_fields({"agent_id", "title", "metadata"})
    with pytest.raises(Forbidden, match=field):
        grant.check_session_fields({"title", field})


@pytest.mark.parametrize(
    ("principal", "role"),
    [
        (ANYBODY, "operator"),
        (Principal("key_1", "key_1"), "operator"),
        (Principal("x", None, Grant(rights=["decide"], agent_ids=AGENTS), 1), "operator"),
        (
            Principal(
                "x", None, Grant(rights=["decide"], agent_ids=AGENTS[:1], end_user="alice"), 1
            ),
            "end_user",
        ),
        (
            Principal("x", None, Grant(rights=["decide"], session_id=SESSIONS[0].id), 1),
            "end_user",
        ),
    ],
)
def test_tokens_of_sessions_and_end_users_act_for_end_users(principal: Principal, role: str):
    assert principal.role == role
