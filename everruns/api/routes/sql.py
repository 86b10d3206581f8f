"""The route that answers queries in SQL.

Source: docs/contract.md, "SQL".
"""

from typing import Annotated

from fastapi import Body, Request, Response

from everruns.api.http.exposure import REMEDY, find_exposure
from everruns.api.http.parameters import TheRuntime
from everruns.api.http.queries import ANSWERS, answer_with, check_archive
from everruns.api.http.routes import Routes
from everruns.domain.queries import Query, SqlInput, SqlRows
from everruns.errors import Forbidden
from everruns.settings import Settings

EXAMPLE = {
    "query": "SELECT day, model, sum(cost_usd) AS cost_usd FROM usage_daily "
    "WHERE day >= ?::DATE GROUP BY ALL ORDER BY ALL",
    "parameters": ["2026-01-01"],
}

routes = Routes("sql")


@routes.add("POST /sql", response_model=SqlRows, responses=ANSWERS)
async def run_sql(
    wanted: Annotated[SqlInput, Body(openapi_examples={"spending": {"value": EXAMPLE}})],
    runtime: TheRuntime,
    request: Request,
) -> Response:
    """Run one SELECT over the archive of all sessions; only for API keys without limits."""
    settings: Settings = request.app.state.settings
    check_archive(settings)
    if (exposure := find_exposure(request.scope, settings)) is not None:
        raise Forbidden(
            "SQL is off, because other machines may use this server without an API key: "
            f"{exposure}. {REMEDY}"
        )
    query = Query(wanted.query, list(wanted.parameters), wanted.format)
    return answer_with(await runtime.analyst.answer(query), wanted.format, "answer")
