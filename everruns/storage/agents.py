"""What a store promises about agents."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from everruns.domain.agents import Agent
from everruns.storage.pages import ListQuery
from everruns.storage.receipts import Receipt


@dataclass(frozen=True)
class AgentQuery(ListQuery):
    """A query for a page of agents, of the active ones unless ids are given.

    Attributes:
        ids: Only agents with these ids, archived ones too.
        search: Only agents whose id, names or description contain this text, ignoring case.
    """

    ids: Collection[str] = ()
    search: str | None = None


class AgentStore(Protocol):
    """Keeps agents."""

    def put(self, agent: Agent, receipt: Receipt | None = None) -> None:
        """Store an agent, replacing the one with its id."""
        ...

    def find(self, agent_id: str) -> Agent | None:
        """Return an agent, active or archived."""
        ...

    def find_by_name(self, name: str) -> Agent | None:
        """Return the newest active agent of this name."""
        ...

    def list(self, query: AgentQuery) -> tuple[list[Agent], int]:
        """Return a page of agents and how many match in all."""
        ...
