"""The face `/api/v1`: the same API as the Everruns SDK calls it."""

from everruns.api.http.faces import Face
from everruns.api.routes.shared import SHARED
from everruns.api.sdk import agents, budgets, event_routes, messages, not_offered, runtime_tokens

# The SDK never requests a second page.
SDK = Face(
    "/api/v1",
    [
        event_routes.of_sessions,
        messages.routes,
        *SHARED,
        event_routes.of_channels,
        agents.routes,
        agents.documents,
        budgets.routes,
        runtime_tokens.routes,
        not_offered.routes,
    ],
    operation_prefix="sdk_",
    schema_form="Sdk{}",
    audience="For the Everruns SDK.",
    default_limit=1000,
    max_limit=1000,
)
