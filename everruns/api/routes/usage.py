"""The route that reports usage.

Source: docs/contract.md, "Usage".
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

import orjson
from fastapi import Query, Request, Response
from pydantic import BeforeValidator, Field

from everruns.api.http.auth import principal_of
from everruns.api.http.parameters import Moment, TheRuntime
from everruns.api.http.queries import ANSWERS, answer_with, check_archive
from everruns.api.http.routes import Routes
from everruns.archive.usage import Dimension, UsageQuery
from everruns.domain.base import Model
from everruns.domain.forms import PRINTABLE, id_form
from everruns.domain.queries import MAX_ROWS, AnswerForm, QueryAnswer
from everruns.errors import InvalidRequest
from everruns.ids import format_time, now_ms

DEFAULT_DAYS = 30
DEFAULT_ROWS = 1000
DATE_LENGTH = len("2026-01-31")


def _midnight(value: Any) -> Any:
    """Return a day as its first moment; everything else as it is."""
    if not isinstance(value, str) or len(value) != DATE_LENGTH:
        return value
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return value
    return datetime.combine(day, time(), UTC).isoformat()


DayOrMoment = Annotated[Moment, BeforeValidator(_midnight)]

Name = Annotated[str | None, Query(max_length=1024)]


class UsageSums(Model):
    """What was used. What is of turns and tool calls is null where models divide it."""

    model_calls: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    cost_usd: float | None = Field(
        description="Of the calls whose price is known; null if there are only others."
    )
    unpriced_calls: int = Field(description="Model calls whose price is not known.")
    turns: int | None = Field(description="Turns that ended.")
    failed_turns: int | None
    cancelled_turns: int | None
    turn_p50_ms: float | None = Field(description="Of completed turns: half took at most this.")
    turn_p95_ms: float | None = Field(description="Of completed turns: 95% took at most this.")
    tool_calls: int | None
    failed_tool_calls: int | None


class UsageRow(UsageSums):
    """What was used in one group, with what the group has in common."""

    day: str | None = None
    hour: str | None = None
    agent_id: str | None = None
    agent_name: str | None = None
    session_id: str | None = None
    title: str | None = None
    model: str | None = None
    provider: str | None = None
    end_user: str | None = None


class UsageReport(Model):
    """What was used in a stretch of time."""

    from_: str = Field(alias="from", description="Its first moment.")
    to: str = Field(description="The moment after it.")
    timezone: str = Field(description="That of days and hours: UTC.")
    group_by: list[Dimension]
    data: list[UsageRow]
    total: UsageSums = Field(description="All of it, also what is not in data.")
    truncated: bool = Field(description="Whether there are more groups than data has.")


routes = Routes("usage")


@routes.add("GET /usage", "read", keeps_scope=True, response_model=UsageReport, responses=ANSWERS)
async def get_usage(
    runtime: TheRuntime,
    request: Request,
    since: Annotated[
        DayOrMoment | None,
        Query(alias="from", description="From this time or day on; by default for 30 days."),
    ] = None,
    until: Annotated[
        DayOrMoment | None, Query(alias="to", description="Before this time; by default now.")
    ] = None,
    group_by: Annotated[
        list[Dimension],
        Query(description="By what it is divided, repeated; by default by day."),
    ] = ["day"],  # noqa: B006 - the framework copies it, and wants a list
    agent_id: Annotated[
        str | None, Query(pattern=id_form("agent"), description="Only of this agent's sessions.")
    ] = None,
    session_id: Annotated[
        str | None, Query(pattern=id_form("session"), description="Only of this session.")
    ] = None,
    end_user: Annotated[
        str | None, Query(pattern=PRINTABLE, description="Only of this end user's sessions.")
    ] = None,
    model: Name = None,
    provider: Name = None,
    limit: Annotated[
        int, Query(ge=1, le=MAX_ROWS, description="Maximum number of groups.")
    ] = DEFAULT_ROWS,
    format: Annotated[AnswerForm, Query(description="The form of the answer.")] = "json",  # noqa: A002
) -> Response:
    """Report tokens, money, turns, failures and tool calls, by day unless you say otherwise."""
    check_archive(request.app.state.settings)
    until_ms = now_ms() if until is None else until
    from_ms = _days_before(until_ms) if since is None else since
    if from_ms > until_ms:
        raise InvalidRequest("from: must not be after to")
    only = {
        "agent_id": agent_id,
        "session_id": session_id,
        "end_user": end_user,
        "model": model,
        "provider": provider,
    }
    usage = UsageQuery(
        from_ms,
        until_ms,
        tuple(dict.fromkeys(group_by)),
        {name: value for name, value in only.items() if value is not None},
        principal_of(request.scope).grant,
        limit,
    )
    answer = await runtime.analyst.answer(usage.query(format))
    if format == "json":
        return Response(_shown(usage, answer), media_type="application/json")
    return answer_with(answer, format, "usage")


def _days_before(until_ms: int) -> int:
    """Return the beginning of the stretch that is reported by default.

    Raises:
        InvalidRequest: It is before all times.
    """
    try:
        today = datetime.fromtimestamp((until_ms - 1) / 1000, UTC).date()
        first = datetime.combine(today - timedelta(days=DEFAULT_DAYS - 1), time(), UTC)
    except (OverflowError, ValueError):
        raise InvalidRequest(f"to: is less than {DEFAULT_DAYS} days after year 1") from None
    return round(first.timestamp() * 1000)


def _shown(usage: UsageQuery, answer: QueryAnswer) -> bytes:
    found = orjson.loads(answer.content)
    names = [column["name"] for column in found["columns"]]
    total, *rows = ({**dict(zip(names, row, strict=True))} for row in found["rows"])
    for row in (total, *rows):
        del row["is_total"]
    sums = {name: total[name] for name in UsageSums.model_fields}
    return orjson.dumps(
        {
            "from": format_time(usage.from_ms),
            "to": format_time(usage.until_ms),
            "timezone": "UTC",
            "group_by": usage.group_by,
            "data": rows or [sums][: not usage.group_by],
            "total": sums,
            "truncated": answer.is_truncated,
        }
    )
