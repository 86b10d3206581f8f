"""The query parameters of lists of sessions.

Source: docs/contract.md, "Lists of sessions".
"""

from typing import Annotated, Literal

from fastapi import Depends, Query
from pydantic import Field

from everruns.api.http.parameters import Moment, Search
from everruns.domain.base import Tag
from everruns.domain.events import TurnOutcome
from everruns.domain.forms import PRINTABLE
from everruns.domain.sessions import SessionStatus
from everruns.domain.waits import WaitType
from everruns.storage.sessions import SessionQuery

MAX_TAGS = 20

OfStatus = Annotated[SessionStatus | None, Query(description="Only sessions with this status.")]
Waiting = Annotated[
    Literal[WaitType, "true"] | None,
    Query(
        description="Only sessions whose turn waits for outside input: a `tool_call`'s result, "
        "a `question`'s answer or an `approval`; `true` means any of these."
    ),
]
OfOutcome = Annotated[
    TurnOutcome | None,
    Query(description="Only sessions whose last turn ended so, and that have no open one."),
]
Tagged = Annotated[
    list[Tag],
    Field(max_length=MAX_TAGS),
    Query(description="Only sessions with this tag; repeat it to require several."),
]
OfEndUser = Annotated[
    str | None, Query(pattern=PRINTABLE, description="Only sessions of this end user.")
]
CreatedAfter = Annotated[
    Moment | None, Query(description="Only sessions created at or after this time.")
]
CreatedBefore = Annotated[
    Moment | None, Query(description="Only sessions created before this time.")
]
UpdatedAfter = Annotated[
    Moment | None, Query(description="Only sessions updated at or after this time.")
]
UpdatedBefore = Annotated[
    Moment | None, Query(description="Only sessions updated before this time.")
]
Sort = Annotated[
    Literal["created", "updated"],
    Query(description="Sort by the time of creation or of the last update."),
]
Order = Annotated[
    Literal["desc", "asc"], Query(description="Newest first, or oldest first with `asc`.")
]


async def _session_query(
    search: Search = None,
    status: OfStatus = None,
    waiting: Waiting = None,
    last_outcome: OfOutcome = None,
    tag: Tagged = [],  # noqa: B006 - the framework copies it, and wants a list
    end_user: OfEndUser = None,
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
    updated_after: UpdatedAfter = None,
    updated_before: UpdatedBefore = None,
    sort: Sort = "created",
    order: Order = "desc",
) -> SessionQuery:
    return SessionQuery(
        search=search,
        status=status,
        waiting=True if waiting == "true" else waiting,
        last_outcome=last_outcome,
        tags=tag,
        end_user=end_user,
        created_from_ms=created_after,
        created_until_ms=created_before,
        updated_from_ms=updated_after,
        updated_until_ms=updated_before,
        sort=sort,
        ascending=order == "asc",
    )


WantedSessions = Annotated[SessionQuery, Depends(_session_query)]
"""Which sessions a list has, apart from their agent and the page."""
