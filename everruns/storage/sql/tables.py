"""The tables, and the mapping between resources and rows.

Fields to search or sort by have their own columns; the rest of a resource is one JSON document.
Times are kept as the resources hold them (RFC 3339 text sorts by time) or, where there are many
rows to sort, as milliseconds: DuckDB passes over old rows by the least and greatest number of each
block, but knows only the first eight bytes of texts.
``migrations`` creates these tables; a test keeps the two equal.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import SecretStr
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
    Text,
)

from everruns.domain.agents import Agent
from everruns.domain.budgets import Budget, LedgerEntry, exact
from everruns.domain.events import Event
from everruns.domain.keys import ApiKey
from everruns.domain.llm import Provider, ProviderAccount
from everruns.domain.sessions import Session, SessionSummary
from everruns.domain.workspaces import Workspace
from everruns.ids import parse_time
from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.store import Receipt, StoredFile
from everruns.tools.base import File

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
    # The status, and what an open turn waits for; see ``state_of``.
    Column("state", Text),
    Column("preview", Text),
    Column("summary", Text, nullable=False),
    # Added last, because an older database can have them nowhere else.
    Column("end_user", Text),
    Column("updated_ms", BigInteger),
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
    Index("events_session_id", "session_id"),
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
    Index("files_workspace_id", "workspace_id"),
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
    Index("ledger_budget_id", "budget_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Text, nullable=False),
    Column("document", Text, nullable=False),
)


def agent_row(agent: Agent) -> Row:
    """Return the row of an agent."""
    return {
        "id": agent.id,
        "name": agent.name,
        "display_name": agent.display_name,
        "description": agent.description,
        "status": agent.status,
        "created_at": agent.created_at,
        "document": agent.model_dump_json(),
    }


def agent_of(row: StoredRow) -> Agent:
    """Return the agent of a row."""
    return Agent.model_validate_json(row["document"])


def provider_row(account: ProviderAccount, cipher: Cipher) -> Row:
    """Return the row of a provider, its API key and its headers encrypted."""
    provider, api_key = account.provider, account.api_key
    headers = {name: value.get_secret_value() for name, value in account.headers.items()}
    sealed = SecretStr(json.dumps(headers)) if headers else None
    return {
        "id": provider.id,
        "created_at": provider.created_at,
        "document": provider.model_dump_json(),
        "encrypted_api_key": cipher.encrypt(api_key, provider.id) if api_key else None,
        "encrypted_headers": cipher.encrypt(sealed, _headers_of(provider.id)) if sealed else None,
    }


def provider_of(row: StoredRow, cipher: Cipher) -> ProviderAccount:
    """Return the provider of a row with its API key and its headers.

    Raises:
        StoreUnavailable: They were encrypted with another key.
    """
    encrypted, sealed = row["encrypted_api_key"], row["encrypted_headers"]
    headers: dict[str, str] = {}
    if sealed is not None:
        headers = json.loads(cipher.decrypt(sealed, _headers_of(row["id"])).get_secret_value())
    return ProviderAccount(
        provider=Provider.model_validate_json(row["document"]),
        api_key=None if encrypted is None else cipher.decrypt(encrypted, row["id"]),
        headers={name: SecretStr(value) for name, value in headers.items()},
    )


def _headers_of(provider_id: str) -> str:
    """Return the owner of a provider's encrypted headers, which cannot stand for its key."""
    return f"{provider_id}/headers"


def session_row(session: Session) -> Row:
    """Return the row of a new session, whose log is empty."""
    return {
        "id": session.id,
        "agent_id": session.agent_id,
        "workspace_id": session.workspace_id,
        "title": session.title,
        "created_ms": parse_time(session.created_at),
        "document": session.model_dump_json(),
        **summary_row(SessionSummary(preview=session.preview, updated_at=session.updated_at)),
        "end_user": session.end_user,
    }


def tag_rows(session: Session) -> list[Row]:
    """Return the rows of a session's tags."""
    return [{"session_id": session.id, "tag": tag} for tag in dict.fromkeys(session.tags)]


def session_of(row: StoredRow) -> Session:
    """Return the session of a row."""
    created = Session.model_validate_json(row["document"])
    if row["end_user"] is not None:
        created = created.model_copy(update={"end_user": row["end_user"]})
    if row["sequence"] == 0:
        return created
    return created.summed_up(SessionSummary.model_validate_json(row["summary"]))


def waits(summary: str, now_ms: int) -> bool:
    """Tell whether the open turn of a summary can only wait for outside input now.

    One of an older version that does not say for what it waits counts as one that can proceed, so
    that it is loaded once.
    """
    told = SessionSummary.model_validate_json(summary)
    until_ms = told.waits_until_ms if told.waiting_for else None
    return until_ms is not None and until_ms > now_ms


def summary_row(summary: SessionSummary) -> Row:
    """Return the columns of a session that follow from its log."""
    return {
        "sequence": summary.sequence,
        "state": state_of(summary),
        "preview": summary.preview,
        "summary": summary.model_dump_json(),
        "updated_ms": parse_time(summary.updated_at) if summary.updated_at else None,
    }


def state_of(summary: SessionSummary) -> str:
    """Return a session's status, followed by the types of calls that its turn waits for."""
    return " ".join([summary.status, *sorted({wait.type for wait in summary.waiting_for})])


def event_row(event: Event) -> Row:
    """Return the row of an event."""
    return {
        "session_id": event.session_id,
        "sequence": event.sequence,
        "id": event.id,
        "type": event.type,
        "turn_id": event.turn_id,
        "ts": event.ts,
        "body": event.body.decode(),
    }


def events_of(session_id: str, rows: Iterable[Sequence[Any]]) -> list[Event]:
    """Return the events of a session's rows, each with the columns but the first, in order.

    By place and not by name, and with one session id for all: a log has thousands of events.
    """
    return [
        Event(session_id, sequence, identity, kind, turn_id, ts, body.encode())
        for sequence, identity, kind, turn_id, ts, body in rows
    ]


def receipt_row(receipt: Receipt, stored_ms: int) -> Row:
    """Return the row of a receipt."""
    return {
        "key": receipt.key,
        "request": receipt.request,
        "answer": receipt.answer,
        "resource_id": receipt.resource_id,
        "stored_ms": stored_ms,
    }


def workspace_row(workspace: Workspace) -> Row:
    """Return the row of a workspace."""
    return {
        "id": workspace.id,
        "name": workspace.name,
        "description": workspace.description,
        "status": workspace.status,
        "created_at": workspace.created_at,
        "document": workspace.model_dump_json(),
    }


def workspace_of(row: RowMapping) -> Workspace:
    """Return the workspace of a row."""
    return Workspace.model_validate_json(row["document"])


def file_row(stored: StoredFile) -> Row:
    """Return the row of a file."""
    return {"workspace_id": stored.workspace_id, **vars(stored.file)}


def file_of(row: StoredRow) -> File:
    """Return the file of a row, without content when the row was read without."""
    return File(**{str(name): value for name, value in row.items() if name != "workspace_id"})


def budget_row(budget: Budget) -> Row:
    """Return the row of a budget."""
    return {
        "id": budget.id,
        "subject_type": budget.subject_type,
        "subject_id": budget.subject_id,
        "status": budget.status,
        "created_at": budget.created_at,
        "document": budget.model_dump_json(),
    }


def api_key_row(key: ApiKey) -> Row:
    """Return the row of an API key."""
    return {"id": key.id, "created_at": key.created_at, "document": key.model_dump_json()}


def ledger_row(entry: LedgerEntry) -> Row:
    """Return the row of an entry of a ledger."""
    return {
        "id": entry.id,
        "budget_id": entry.budget_id,
        "amount": exact(entry.amount),
        "created_at": entry.created_at,
        "document": entry.model_dump_json(),
    }
