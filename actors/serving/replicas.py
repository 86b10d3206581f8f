"""How many API replicas there are, and on which nodes."""

from typing import Any

from ray.serve.config import AutoscalingConfig

from actors.serving.leftovers import is_own_cluster
from everruns.settings import Settings

# Open event streams count. One replica takes ten times as many.
REQUESTS_PER_REPLICA = 2_000
# A change makes every HAProxy start anew next to its old process, so what is added stays a while.
ADD_AFTER_S = 10.0
REMOVE_AFTER_S = 600.0
MAX_REPLICAS_PER_NODE = 64


def replica_options(settings: Settings) -> dict[str, Any]:
    """Return the options of the deployment that say how many replicas it has, and where.

    In a joined cluster they spread over its nodes. There are more for more requests under way, if
    ``max_replicas`` allows more.
    """
    if is_own_cluster():
        return {"num_replicas": settings.replicas}
    # Ray puts what asks for nothing on any node at random. Behind the bound is a small request.
    spread = {"max_replicas_per_node": MAX_REPLICAS_PER_NODE}
    if settings.max_replicas <= settings.replicas:
        return {"num_replicas": settings.replicas, **spread}
    scaling = AutoscalingConfig(
        min_replicas=settings.replicas,
        max_replicas=settings.max_replicas,
        target_ongoing_requests=REQUESTS_PER_REPLICA,
        upscale_delay_s=ADD_AFTER_S,
        downscale_delay_s=REMOVE_AFTER_S,
    )
    return {"autoscaling_config": scaling, **spread}
