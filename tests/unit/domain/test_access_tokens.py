"""What access tokens say, and which ones count."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from everruns.domain.access_tokens import (
    LONGEST_TOKEN,
    AccessTokenInput,
    Claims,
    read_token,
    sign,
)
from everruns.domain.rights import RIGHTS, Grant
from everruns.errors import TokenExpired, Unauthorized

SECRET = b"s" * 32
NOW_MS = 1_700_000_000_000
AGENT, SESSION = "agent_" + "1" * 32, "session_" + "2" * 32

claims = st.builds(
    Claims,
    grant=st.builds(
        Grant,
        rights=st.lists(st.sampled_from(sorted(RIGHTS)), min_size=1, unique=True),
        agent_ids=st.sampled_from([[], [AGENT]]),
        end_user=st.none() | st.text(st.characters(min_codepoint=32, max_codepoint=126)),
        session_id=st.sampled_from([None, SESSION]),
    ),
    key_id=st.sampled_from([None, "key_" + "3" * 32]),
    expires_ms=st.integers(NOW_MS + 1, NOW_MS + 10**9),
)


def token(expires_ms: int = NOW_MS + 1) -> str:
    grant = Grant(rights=["read"], session_id=SESSION)
    return sign(Claims(grant=grant, expires_ms=expires_ms), SECRET)


@given(claims)
def test_a_token_says_what_was_signed(said: Claims):
    assert read_token(sign(said, SECRET), SECRET, NOW_MS) == said


@given(st.data())
def test_a_token_with_any_character_changed_does_not_count(data: st.DataObject):
    real = token()
    place = data.draw(st.integers(0, len(real) - 1))
    other = data.draw(st.characters().filter(lambda character: character != real[place]))

    with pytest.raises(Unauthorized):
        read_token(real[:place] + other + real[place + 1 :], SECRET, NOW_MS)


def test_rights_cannot_be_added():
    body, _, mac = token().removeprefix("evt_").partition(".")
    content = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    more = urlsafe_b64encode(content.replace(b'"read"', b'"read","send"')).rstrip(b"=").decode()

    with pytest.raises(Unauthorized):
        read_token(f"evt_{more}.{mac}", SECRET, NOW_MS)


@pytest.mark.parametrize(
    "text", ["", "evt_", "evt_.", "evr_x", "evt_x.y", "evt_ключ.x", "evt_" + "x" * LONGEST_TOKEN]
)
def test_other_texts_do_not_count(text: str):
    with pytest.raises(Unauthorized):
        read_token(text, SECRET, NOW_MS)


def test_a_token_that_is_signed_with_another_secret_does_not_count():
    with pytest.raises(Unauthorized):
        read_token(token(), b"t" * 32, NOW_MS)


def test_a_token_that_grants_what_this_version_does_not_know_does_not_count():
    unknown = Claims.model_construct(
        grant=Grant.model_construct(rights=["fly"]), key_id=None, expires_ms=NOW_MS + 1
    )

    with pytest.raises(Unauthorized):
        read_token(sign(unknown, SECRET), SECRET, NOW_MS)


def test_a_token_counts_until_it_expires():
    read_token(token(NOW_MS + 1), SECRET, NOW_MS)
    with pytest.raises(TokenExpired):
        read_token(token(NOW_MS), SECRET, NOW_MS)


def test_the_sender_is_the_same_after_a_token_was_renewed():
    grant = Grant(rights=["send"], agent_ids=[AGENT], end_user="alice")
    first = Claims(grant=grant, key_id="key_1", expires_ms=1).principal()
    other = grant.model_copy(update={"end_user": "bob"})

    assert Claims(grant=grant, key_id="key_1", expires_ms=2).principal().id == first.id
    assert Claims(grant=other, key_id="key_1", expires_ms=1).principal().id != first.id
    assert Claims(grant=grant, key_id="key_2", expires_ms=1).principal().id != first.id


def test_the_longest_token_is_accepted():
    grant = Grant(rights=list(RIGHTS), agent_ids=[AGENT], end_user="u" * 255, session_id=SESSION)
    said = Claims(grant=grant, key_id="key_" + "3" * 32, expires_ms=NOW_MS + 1)

    assert len(sign(said, SECRET)) < LONGEST_TOKEN
    assert read_token(sign(said, SECRET), SECRET, NOW_MS) == said


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({}, "either session_id or agent_id"),
        ({"session_id": SESSION, "agent_id": AGENT}, "either session_id or agent_id"),
        ({"session_id": SESSION, "end_user": "alice"}, "end_user goes with agent_id"),
        ({"session_id": SESSION, "rights": ["create_sessions"]}, "create_sessions goes with"),
        ({"agent_id": AGENT, "rights": []}, "at least 1"),
        ({"agent_id": AGENT, "rights": ["fly"]}, "'read'"),
        ({"agent_id": AGENT, "expires_in": 59}, "60"),
        ({"agent_id": AGENT, "expires_in": 86_401}, "86400"),
        ({"agent_id": AGENT, "expires_in": "60"}, "number"),
    ],
)
def test_a_token_is_for_one_scope_and_a_day_at_most(wanted: dict, reason: str):
    with pytest.raises(ValidationError, match=reason):
        AccessTokenInput.model_validate(wanted)
