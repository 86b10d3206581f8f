"""Agents in memory."""

from collections.abc import Iterable

from everruns.domain.agents import Agent
from everruns.storage.agents import AgentQuery
from everruns.storage.memory.contents import Contents, age, containing, page_of
from everruns.storage.receipts import Receipt


class MemoryAgents:
    """Implements ``AgentStore``."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def put(self, agent: Agent, receipt: Receipt | None = None) -> None:
        """Store an agent, replacing the one with its id."""
        with self._contents.lock:
            self._contents.agents[agent.id] = agent
            self._contents.remember(receipt)

    def find(self, agent_id: str) -> Agent | None:
        """Return an agent, active or archived."""
        with self._contents.lock:
            return self._contents.agents.get(agent_id)

    def find_by_name(self, name: str) -> Agent | None:
        """Return the newest active agent of this name."""
        with self._contents.lock:
            agents = [agent for agent in self._active() if agent.name == name]
        return max(agents, key=age, default=None)

    def _active(self) -> Iterable[Agent]:
        return (agent for agent in self._contents.agents.values() if agent.status == "active")

    def list(self, query: AgentQuery) -> tuple[list[Agent], int]:
        """Return a page of agents and how many match in all."""
        with self._contents.lock:
            known = self._contents.agents
            by_id = [known[agent_id] for agent_id in set(query.ids) if agent_id in known]
            agents = by_id if query.ids else list(self._active())
        found = containing(
            query.search,
            agents,
            lambda agent: (agent.id, agent.name, agent.display_name, agent.description),
        )
        return page_of(found, query)
