"""Routes of the wider Everruns API that this server does not offer; each answers 501.

They let an SDK client tell a call that is not offered from a wrong address. The OpenAPI document
omits them, since it lists what is offered.

Source: docs/sdk.md, "Calls".
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from fastapi import Request, Response

from everruns.api.http.routes import Routes
from everruns.errors import NotImplementedHere

NOT_OFFERED: Mapping[str, Sequence[str]] = {
    "statistics of agents": ("GET /agents/{agent_id}/stats",),
    "versions of agents": (
        "GET POST /agents/{agent_id}/versions",
        "POST /agents/{agent_id}/versions/default",
        "GET /agents/{agent_id}/versions/{from_id}/diff/{to_id}",
        "POST /agents/{agent_id}/versions/{version_id}/fork",
        "POST /agents/{agent_id}/versions/{version_id}/rollback",
    ),
    "health checks of agents": (
        "GET POST /agents/{agent_id}/health-checks",
        "GET /agents/{agent_id}/health-checks/{run_id}",
    ),
    "the analysis of agents": ("POST /agents/analyze",),
    "pinning sessions": ("PUT DELETE /sessions/{session_id}/pin",),
    "secrets of sessions": ("PUT /sessions/{session_id}/storage/secrets",),
    "guardrails": (
        "GET /capabilities/guardrails/examples",
        "POST /capabilities/guardrails/dry-run",
    ),
    "harnesses other than the built-in one": (
        "POST /harnesses",
        "PATCH DELETE /harnesses/{harness_id}",
        "GET /harness-examples",
    ),
    "memories": (
        "GET POST /memories",
        "GET POST PUT PATCH DELETE /memories/{path:path}",
    ),
    "connections of users": (
        "GET /user/connections",
        "POST DELETE /user/connections/{provider}",
    ),
}

routes = Routes("not_offered")


def _refusing(what: str) -> Callable[[Request], Awaitable[Response]]:
    async def refuse(_request: Request) -> Response:
        raise NotImplementedHere(f"This server does not offer {what}.")

    return refuse


for refused, operations in NOT_OFFERED.items():
    for operation in operations:
        routes.add(operation, include_in_schema=False)(_refusing(refused))
