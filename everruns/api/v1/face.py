"""The face `/v1`: the API itself."""

from everruns.api.http.faces import Face
from everruns.api.routes import budgets, cluster, deployment, messages, sql, usage
from everruns.api.routes.shared import SHARED
from everruns.api.v1 import agents, events

V1 = Face(
    "/v1",
    [
        events.of_sessions,
        messages.routes,
        *SHARED,
        events.of_channels,
        agents.routes,
        agents.documents,
        budgets.pages,
        cluster.routes,
        deployment.routes,
        usage.routes,
        sql.routes,
    ],
    is_strict=True,
)
