"""Questions to a cluster before it is joined, so that a refusal comes at once and in one line.

Ray itself tries again for a minute, prints warnings, and ends with "Failed to connect".
"""

import json
import os
import re
import socket
from importlib import import_module
from typing import Any

import grpc
import ray
from ray.exceptions import AuthenticationError

from actors.processes import wait
from everruns.errors import InvalidRequest, Unavailable
from everruns.process_environment import get_environment

CALL_TIMEOUT_S = 5.0
# For as long the head node is waited for: it registers a moment after the cluster begins to answer.
HEAD_TIMEOUT_S = 10.0
ADDRESS = re.compile(r"(?P<host>[^\s/:]+|\[[^\s/]+\]):(?P<port>\d{1,5})")

_WHERE_IT_IS = (
    "Put the cluster's into ~/.ray/auth_token, or set RAY_AUTH_TOKEN_PATH or RAY_AUTH_TOKEN."
)
_SET_MODE = f"Set RAY_AUTH_MODE=token. {_WHERE_IT_IS}"


def check_cluster(address: str) -> None:
    """Check that a cluster answers, admits this process, and that this is its head node.

    Args:
        address: ``HOST:PORT`` of the cluster's GCS, or ``auto`` for the one on this machine, which
            only Ray knows where to find, so that nothing is checked.

    Raises:
        InvalidRequest: The address is malformed.
        Unavailable: The cluster cannot be joined. The message says what to do.
    """
    if address == "auto":
        return
    if ADDRESS.fullmatch(address) is None:
        raise InvalidRequest(
            f"--ray-address {address} is not an address of a cluster. Give HOST:PORT of its head "
            "node, for example 127.0.0.1:6379, or auto for the cluster on this machine."
        )
    _check_reachable(address)
    with _channel(address) as channel:
        _check_versions(address, _ask_metadata(address, channel))
        _check_head(address, channel)


def _check_reachable(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CALL_TIMEOUT_S):
            pass
    except (OSError, UnicodeError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Unavailable(
            f"No Ray cluster answers at {address}: {reason}. Start one there (`ray start --head`), "
            "or choose another address with --ray-address."
        ) from None


def _channel(address: str) -> grpc.Channel:
    """Return a channel with the token and the certificate that the environment names."""
    grpc_utils: Any = import_module("ray._private.grpc_utils")
    try:
        return grpc_utils.init_grpc_channel(address)
    except (OSError, RuntimeError) as error:
        raise Unavailable(
            "RAY_USE_TLS is set, but its certificates cannot be used. Set RAY_TLS_CA_CERT, "
            "RAY_TLS_SERVER_CERT and RAY_TLS_SERVER_KEY to readable files of the cluster's."
        ) from error


def _ask_metadata(address: str, channel: grpc.Channel) -> dict[str, Any]:
    """Return what the cluster says about itself.

    Raises:
        Unavailable: Nothing answers, what answers is not a Ray cluster, or it refuses the token.
    """
    messages, services = _generated()
    request = messages.InternalKVGetRequest(namespace=b"cluster", key=b"CLUSTER_METADATA")
    try:
        answer = services.InternalKVGcsServiceStub(channel).InternalKVGet(
            request, timeout=CALL_TIMEOUT_S
        )
        return json.loads(answer.value)
    except AuthenticationError:
        raise Unavailable(
            f"RAY_AUTH_MODE is token, but no token was found. {_WHERE_IT_IS}"
        ) from None
    except grpc.RpcError as error:
        raise _refusal(address, error) from None
    except ValueError:
        raise Unavailable(
            f"The Ray cluster at {address} is not up yet. Try again shortly."
        ) from None


def _refusal(address: str, error: grpc.RpcError) -> Unavailable:
    call: Any = error
    if call.code() is grpc.StatusCode.UNAUTHENTICATED:
        mode = "Its token is not the one that was given."
        if (get_environment("RAY_AUTH_MODE") or "").lower() != "token":
            mode = "It asks for its token."
        return Unavailable(f"The Ray cluster at {address} refuses access. {mode} {_SET_MODE}")
    return Unavailable(
        f"What listens at {address} does not answer as a Ray cluster. Give the port of the "
        "cluster's GCS, 6379 by default; if it uses TLS, set RAY_USE_TLS=1 and the RAY_TLS_* "
        "variables as on its nodes."
    )


def _check_versions(address: str, metadata: dict[str, Any]) -> None:
    utils: Any = import_module("ray._private.utils")
    try:
        utils.check_version_info(metadata, address)
    except RuntimeError:
        there = f"Ray {metadata['ray_version']} with Python {metadata['python_version']}"
        here = f"Ray {ray.__version__} with Python {utils.compute_version_info()[1]}"
        raise Unavailable(
            f"The cluster at {address} runs {there}, and everruns runs {here}. Install the same "
            "versions in both."
        ) from None


def _check_head(address: str, channel: grpc.Channel) -> None:
    """Check that the head node is on this machine: the data directory is there."""
    messages, services = _generated()
    nodes = services.NodeInfoGcsServiceStub(channel)
    heads: list[Any] = []

    def has_head() -> bool:
        answer = nodes.GetAllNodeInfo(messages.GetAllNodeInfoRequest(), timeout=CALL_TIMEOUT_S)
        alive = [node for node in answer.node_info_list if node.state == 0]
        heads.extend(node for node in alive if node.is_head_node)
        return bool(heads)

    try:
        wait(has_head, HEAD_TIMEOUT_S)
    except grpc.RpcError as error:
        raise _refusal(address, error) from None
    if not heads:
        raise Unavailable(f"The Ray cluster at {address} has no head node. Start it again.")
    # An address can stand for several machines, and a machine can have several.
    if not os.access(heads[0].raylet_socket_name, os.W_OK):
        raise Unavailable(
            f"The head node of the Ray cluster at {address} does not run on this machine as this "
            f"user. Run everruns serve there ({heads[0].node_manager_address}), where its data "
            "directory is."
        )


def _generated() -> tuple[Any, Any]:
    """Return the messages and the services of Ray's protocol."""
    services = "ray.core.generated.gcs_service_pb2"
    return import_module(services), import_module(f"{services}_grpc")
