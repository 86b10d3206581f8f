"""Google's ADK with its API server, as ``adk api_server`` builds it, over SQLite."""

from google.adk.cli.fast_api import get_fast_api_app

app = get_fast_api_app(
    agents_dir="agents",
    session_service_uri="sqlite+aiosqlite:///sessions.db",
    session_db_kwargs={
        # With those that it takes by default, 200 turns at once end in "database is locked".
        "pool_size": 5,
        "max_overflow": 0,
        "pool_timeout": 120,
        "connect_args": {"timeout": 60},
    },
    artifact_service_uri="memory://",
    web=False,
)
