"""The product as the edge sees it: agents, sessions and all else, wherever they are kept.

What is stored is the registry's. A call that concerns a live session goes to the host that holds
it, and to another one if the session has moved. Registry and hosts are objects in this process or
stubs of actors on a cluster (see ``everruns.runtime.local`` and ``actors.runtime``).
"""

from everruns.address import MeetHost
from everruns.archive.analyst import Analyst
from everruns.registry.registry import Registry
from everruns.runtime.cluster import Cluster
from everruns.runtime.feed.streams import FindHost
from everruns.runtime.routed_sessions import RoutedSessions
from everruns.runtime.surroundings import Look, Surroundings


class Runtime:
    """Everything that a client can ask for, one attribute for each kind of resource.

    Args:
        registry: The registry or its stub.
        find_host: Returns a session host by its name.
        analyst: The analyst or its stub.
        meet_host: Called with the address of a session host, before that is found by its name.
        look: Returns where this process runs; may block.

    Attributes:
        analyst: Queries of the archive of all sessions.
        registry: What the attributes below are made of, for the product's own processes.
        sessions: Sessions with their messages, events and turns.
        agents: Agents.
        providers: Providers and the models that they offer.
        mcp_servers: The catalogue of MCP servers.
        mcp_authorizations: Who has authorized this deployment at them.
        workspaces: Workspaces.
        files: The files of workspaces.
        budgets: Budgets and their ledgers.
        keys: API keys.
        cluster: The cluster that all of this runs on.
    """

    def __init__(
        self,
        registry: Registry,
        find_host: FindHost,
        analyst: Analyst,
        meet_host: MeetHost | None = None,
        look: Look = Surroundings,
    ) -> None:
        self.registry = registry
        self.analyst = analyst
        self.sessions = RoutedSessions(registry, find_host, meet_host)
        self.agents = registry.agents
        self.providers = registry.providers
        self.mcp_servers = registry.mcp_servers
        self.mcp_authorizations = registry.mcp_authorizations
        self.workspaces = registry.workspaces
        self.files = registry.files
        self.budgets = registry.budgets
        self.keys = registry.keys
        self.cluster = Cluster(registry, find_host, look)

    async def ready(self) -> None:
        """Check that requests can be served.

        Raises:
            Unavailable: The registry or its store does not answer.
        """
        await self.registry.ready()
