"""The route of the cluster, for API keys without limits.

Source: docs/contract.md, "Cluster".
"""

from everruns.api.http.parameters import TheRuntime
from everruns.api.http.routes import Routes
from everruns.domain.cluster import ClusterState

routes = Routes("cluster")


@routes.add("GET /cluster")
async def get_cluster(runtime: TheRuntime) -> ClusterState:
    """Read the state of the cluster: nodes, registry, session actors and API replicas."""
    return await runtime.cluster.state()
