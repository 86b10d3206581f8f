"""What a cluster is asked before it is joined. Here a server speaks the protocol of its GCS."""

import json
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import ray
from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

from actors.clusters import probe as ray_probe
from actors.clusters.probe import check_cluster
from everruns.errors import InvalidRequest, Unavailable

messages: Any = gcs_service_pb2
services: Any = gcs_service_pb2_grpc
HERE = {"ray_version": ray.__version__, "python_version": platform.python_version()}

Start = Callable[..., str]


class Gcs(services.InternalKVGcsServiceServicer, services.NodeInfoGcsServiceServicer):
    """Answers as a cluster of these versions, whose head has its socket at this path."""

    def __init__(self, versions: dict[str, str], head: Path | None, admits: bool) -> None:
        self._versions, self._head, self._admits = versions, head, admits

    def InternalKVGet(self, request: Any, context: Any) -> Any:  # noqa: N802
        if not self._admits:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken")
        assert (request.namespace, request.key) == (b"cluster", b"CLUSTER_METADATA")
        return messages.InternalKVGetReply(value=json.dumps(self._versions).encode())

    def GetAllNodeInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        reply = messages.GetAllNodeInfoReply()
        reply.node_info_list.add(node_manager_address="10.0.0.2", raylet_socket_name="/nowhere")
        if self._head is not None:
            reply.node_info_list.add(
                is_head_node=True,
                node_manager_address="10.0.0.1",
                raylet_socket_name=str(self._head),
            )
        return reply


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    socket = tmp_path / "raylet"
    socket.touch()
    servers: list[grpc.Server] = []

    def start(
        versions: dict[str, str] = HERE, head: Path | None = socket, *, admits: bool = True
    ) -> str:
        server = grpc.server(ThreadPoolExecutor(2))
        gcs = Gcs(versions, head, admits)
        services.add_InternalKVGcsServiceServicer_to_server(gcs, server)
        services.add_NodeInfoGcsServiceServicer_to_server(gcs, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.stop(None)


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_USE_TLS"):
        monkeypatch.delenv(name, raising=False)


def refusal(address: str) -> str:
    with pytest.raises(Unavailable) as refused:
        check_cluster(address)
    assert "\n" not in refused.value.message
    return refused.value.message


def test_a_cluster_of_the_same_versions_with_its_head_here_can_be_joined(start: Start) -> None:
    check_cluster(start())


@pytest.mark.parametrize("differs", ["ray_version", "python_version"])
def test_another_version_on_the_cluster_is_named_with_ours(start: Start, differs: str) -> None:
    told = refusal(start({**HERE, differs: "3.99.9"}))

    assert "3.99.9" in told
    assert f"Ray {ray.__version__} with Python {platform.python_version()}" in told


def test_a_head_on_another_machine_is_named(start: Start) -> None:
    assert "10.0.0.1" in refusal(start(head=Path("/nowhere")))


def test_a_cluster_without_a_head_is_refused(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_probe, "HEAD_TIMEOUT_S", 0.2)

    assert "no head node" in refusal(start(head=None))


def test_a_cluster_that_asks_for_a_token_says_how_it_is_given(start: Start) -> None:
    told = refusal(start(admits=False))

    assert "RAY_AUTH_MODE=token" in told
    assert "RAY_AUTH_TOKEN" in told


def test_something_else_at_the_address_is_told_from_nothing(start: Start) -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    other = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()

    assert "does not answer as a Ray cluster" in refusal(other)
    server.stop(None).wait()
    assert "No Ray cluster answers" in refusal(other)


def test_certificates_that_are_not_there_are_named(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_USE_TLS", "1")

    assert "RAY_TLS_CA_CERT" in refusal(start())


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "127.0.0.1", "http://x:1/y", ""])
def test_what_is_no_address_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(InvalidRequest, match=r"127\.0\.0\.1:6379"):
        check_cluster(address)
