"""Which sessions a list includes.

All of them are SQL that DuckDB and PostgreSQL both take.
"""

from typing import Any, Literal, get_args

from sqlalchemy import Column, ColumnElement, and_, or_, select, true

from everruns.domain.rights import Grant
from everruns.domain.sessions import OPEN_STATUSES
from everruns.domain.waits import WaitType
from everruns.storage.sessions import SessionQuery
from everruns.storage.sql.tables import session_tags, sessions


def listed_sessions(query: SessionQuery) -> ColumnElement[bool]:
    """Return the condition that a list includes a session, apart from the searched text."""
    c = sessions.c
    conditions: list[ColumnElement[bool]] = []
    if query.agent_id is not None:
        conditions.append(c.agent_id == query.agent_id)
    if query.caller is not None:
        of_agent = c.agent_id == query.caller.agent_id
        conditions += [of_agent, c.end_user == query.caller.end_user]
    if query.within is not None:
        conditions.append(_covered(query.within))
    if query.end_user is not None:
        conditions.append(c.end_user == query.end_user)
    if query.older_than is not None:
        ms, session_id = query.older_than
        same_time = and_(c.created_ms == ms, c.id < session_id)
        conditions.append(or_(c.created_ms < ms, same_time))
    if query.status is not None:
        conditions.append(c.state.startswith(query.status))
    if query.waiting is not None:
        conditions.append(is_waiting(query.waiting))
    if query.last_outcome is not None:
        conditions.append(c.state.contains(f" {query.last_outcome}", autoescape=True))
    conditions += [
        c.id.in_(select(session_tags.c.session_id).where(session_tags.c.tag == tag))
        for tag in query.tags
    ]
    conditions += _within(c.created_ms, query.created_from_ms, query.created_until_ms)
    conditions += _within(c.updated_ms, query.updated_from_ms, query.updated_until_ms)
    return and_(true(), *conditions)


def _covered(grant: Grant) -> ColumnElement[bool]:
    """Return the condition that a grant covers a session; see ``Grant.covers``."""
    c = sessions.c
    if grant.session_id is not None:
        return c.id == grant.session_id
    of_user = true() if grant.end_user is None else c.end_user == grant.end_user
    return and_(c.agent_id.in_(grant.agent_ids), of_user)


SLEEPS = "sleeps"
"""What follows the status of a session with a call that is suspended for a time."""


def is_open() -> ColumnElement[bool]:
    """Return the condition that a session has an open turn."""
    return or_(*(sessions.c.state.startswith(status) for status in OPEN_STATUSES))


def may_only_wait() -> ColumnElement[bool]:
    """Return the condition that a session's open turn may have nothing to do but wait."""
    return or_(is_waiting(True), sessions.c.state.contains(f" {SLEEPS}", autoescape=True))


def is_waiting(what: WaitType | Literal[True]) -> ColumnElement[bool]:
    """Return the condition that the open turn of a session waits for a type of call, or any."""
    state = sessions.c.state
    # The types follow the status; a session of an older version may lack them.
    if what is True:
        types = [state.contains(f" {kind}", autoescape=True) for kind in get_args(WaitType)]
        return or_(*types, state.startswith("waiting"))
    return state.contains(f" {what}", autoescape=True)


def _within(
    time: Column[Any], from_ms: int | None, until_ms: int | None
) -> list[ColumnElement[bool]]:
    since = [] if from_ms is None else [time >= from_ms]
    return since if until_ms is None else [*since, time < until_ms]
