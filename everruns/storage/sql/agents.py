"""Agents in a database."""

from sqlalchemy import and_, select

from everruns.domain.agents import Agent
from everruns.storage.agents import AgentQuery
from everruns.storage.pages import ListQuery
from everruns.storage.receipts import Receipt
from everruns.storage.sql.chunks import AGENTS
from everruns.storage.sql.database import Database
from everruns.storage.sql.lists import contains, full, select_page
from everruns.storage.sql.receipts import remember
from everruns.storage.sql.tables import Row, StoredRow, agents


class SqlAgents:
    """Implements ``AgentStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, agent: Agent, receipt: Receipt | None = None) -> None:
        """Store an agent, replacing the one with its id."""
        with self._database.writing() as connection:
            AGENTS.put(connection, [_row(agent)])
            remember(connection, *filter(None, [receipt]))

    def find(self, agent_id: str) -> Agent | None:
        """Return an agent, active or archived."""
        with self._database.reading() as connection:
            found = connection.execute(select(agents).where(agents.c.id == agent_id))
            rows = AGENTS.whole(connection, found.mappings())
        return _agent(rows[0]) if rows else None

    def find_by_name(self, name: str) -> Agent | None:
        """Return the newest active agent of this name."""
        matching = and_(agents.c.name == name, agents.c.status == "active")
        with self._database.reading() as connection:
            found, _ = select_page(connection, agents.c.created_at, matching, ListQuery(limit=1))
            rows = AGENTS.whole(connection, found)
        return _agent(rows[0]) if rows else None

    def list(self, query: AgentQuery) -> tuple[list[Agent], int]:
        """Return a page of agents and how many match in all."""
        c = agents.c
        contained = contains(query.search, c.id, c.name, c.display_name, c.description)
        is_listed = c.id.in_(query.ids) if query.ids else c.status == "active"
        matching = and_(is_listed, contained)
        with self._database.reading() as connection:
            found, total = select_page(connection, c.created_at, matching, query)
            rows = AGENTS.whole(connection, full(found))
        return [_agent(row) for row in rows], total


def _row(agent: Agent) -> Row:
    return {
        "id": agent.id,
        "name": agent.name,
        "display_name": agent.display_name,
        "description": agent.description,
        "status": agent.status,
        "created_at": agent.created_at,
        "document": agent.stored(),
    }


def _agent(row: StoredRow) -> Agent:
    return Agent.model_validate_json(row["document"])
