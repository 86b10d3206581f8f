"""The tables.

Fields to search or sort by have their own columns; the rest of a resource is one JSON document.
Times are kept as the resources hold them (RFC 3339 text sorts by time) or, where there are many
rows to sort, as milliseconds: DuckDB passes over old rows by the least and greatest number of each
block, but knows only the first eight bytes of texts.
``migrations`` creates these tables; a test keeps the two equal. A new database in PostgreSQL gets
them from here; see ``everruns.storage.postgres.tables``.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    RowMapping,
    Table,
)

from everruns.storage.sql.dialects import Text

Row = dict[str, Any]
StoredRow = Row | RowMapping

metadata = MetaData()

agents = Table(
    "agents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("display_name", Text),
    Column("description", Text),
    Column("status", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("document", Text, nullable=False),
)

# Models live in their provider's document: they are written with it and never without.
providers = Table(
    "providers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("encrypted_api_key", Text),
    Column("encrypted_headers", Text),
)

# Tokens, consents on their way and registered clients, their secrets encrypted.
mcp_authorizations = Table(
    "mcp_authorizations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("server_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("sealed", Text, nullable=False),
    Column("expires_ms", BigInteger),
)

# The values of headers are encrypted within the document.
mcp_servers = Table(
    "mcp_servers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Text, nullable=False),
    Column("document", Text, nullable=False),
)

# Every append rewrites ``sequence``, ``state``, ``preview``, ``summary`` and ``updated_ms``, which
# costs by the column: what is neither searched nor compared stands together in the summary. None
# has an index, since DuckDB turns updates of indexed columns into deletes and inserts.
sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("agent_id", Text),
    Column("workspace_id", Text, nullable=False),
    Column("title", Text),
    Column("created_ms", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    # The status, what an open turn waits for, how the last one ended; see ``session_rows.py``.
    Column("state", Text),
    Column("preview", Text),
    Column("summary", Text, nullable=False),
    # Added last, because an older database can have them nowhere else.
    Column("end_user", Text),
    Column("updated_ms", BigInteger),
    Column("holder", BigInteger, server_default="0"),
)

session_tags = Table(
    "session_tags",
    metadata,
    Column("session_id", Text, nullable=False),
    Column("tag", Text, nullable=False),
    Index("session_tags_session_id", "session_id"),
    Index("session_tags_tag", "tag"),
)

events = Table(
    "events",
    metadata,
    Column("session_id", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("turn_id", Text),
    Column("ts", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("session_id", "sequence"),
    # DuckDB cannot use the primary key for its first column alone.
    Index("events_session_id", "session_id").ddl_if(dialect="duckdb"),
)

# Forks whose events are being copied: the row of the session itself comes when all else is there.
# The sequence is that of the last event which the copy has; see ``forks.py``.
unfinished_forks = Table(
    "unfinished_forks",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
)

# The newest snapshot of each session that has one; see ``everruns.domain.snapshots``.
snapshots = Table(
    "snapshots",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("format", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

# Values that are too wide for a row of another table; see ``chunks.py``.
chunks = Table(
    "chunks",
    metadata,
    Column("owner", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index("chunks_owner", "owner"),
)

receipts = Table(
    "receipts",
    metadata,
    Column("key", Text, primary_key=True),
    Column("request", Text, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("stored_ms", BigInteger, nullable=False),
    Column("resource_id", Text),
)

# Shared workspaces only; an owned workspace follows from its session.
workspaces = Table(
    "workspaces",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("status", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("document", Text, nullable=False),
)

files = Table(
    "files",
    metadata,
    Column("workspace_id", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("is_directory", Boolean, nullable=False),
    Column("is_readonly", Boolean, nullable=False),
    Column("encoding", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("workspace_id", "path"),
    # As with events.
    Index("files_workspace_id", "workspace_id").ddl_if(dialect="duckdb"),
)

# No index on what is updated, as with sessions: there are few budgets.
budgets = Table(
    "budgets",
    metadata,
    Column("id", Text, primary_key=True),
    Column("subject_type", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("document", Text, nullable=False),
)

# The amount is a decimal number, since sums of others depend on the order.
ledger = Table(
    "ledger",
    metadata,
    Column("id", Text, primary_key=True),
    Column("budget_id", Text, nullable=False),
    Column("amount", Numeric(38, 12), nullable=False),
    Column("created_at", Text, nullable=False),
    Column("document", Text, nullable=False),
    # PostgreSQL has another of this name, by which it also sorts and sums.
    Index("ledger_budget_id", "budget_id").ddl_if(dialect="duckdb"),
)

# One row: the life of the registry that began last, and the revision of what hosts remember.
registry = Table(
    "registry",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("life", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Text, nullable=False),
    Column("document", Text, nullable=False),
)
