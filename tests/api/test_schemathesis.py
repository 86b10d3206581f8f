"""Generated requests: the server keeps what its own OpenAPI document promises."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.generation.hypothesis.builder import (
    HypothesisTestConfig,
    HypothesisTestMode,
    create_test,
)
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema

from everruns.api.app import create_app
from everruns.capabilities.registry import load_capabilities
from everruns.ids import GENERIC_HARNESS_ID, is_id
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from everruns.storage.memory.store import MemoryStore
from tests.waiting import PATIENCE_S

# Refusals of what no schema can say: which things there are, and what cannot be stored.
BEYOND_SCHEMAS = {
    "CREDENTIALS_REQUIRED",
    "INVALID_CURSOR",
    "INVALID_FILE",
    "INVALID_JSON",
    "INVALID_QUERY",
    "UNKNOWN_CALL",
    "UNKNOWN_CAPABILITY",
    "UNKNOWN_MODEL",
}
# Methods that the document does not list: those that answer 501, for it lists what is offered, and
# those of /agents/{agent_id} and /sessions/{session_id}, of which /import is one.
WITH_MORE_METHODS = (
    "/api/v1/harnesses",
    "/api/v1/agents/import",
    "/v1/agents/import",
    "/api/v1/sessions/import",
    "/v1/sessions/import",
)


@schemathesis.serializer("application/jsonl")
def as_lines(_context: object, value: object) -> bytes:
    return str(value).encode()


class BackgroundServer:
    """The API on a free port, in a thread of its own: generated requests are sent blocking."""

    def __init__(self, data_dir: Path) -> None:
        self._settings = Settings(data_dir=data_dir, stream_cycle_s=0.02)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    async def _serve(self) -> None:
        known = load_capabilities()
        runtime = LocalRuntime(MemoryStore(), self._settings, known)
        await runtime.start()
        app = create_app(runtime, self._settings, known)
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        )
        self._ready.set()
        await self._server.serve(sockets=[self._listener])
        await runtime.close()

    def __enter__(self) -> "BackgroundServer":
        self._thread.start()
        self._ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with BackgroundServer(tmp_path_factory.mktemp("generated")) as server:
        yield server.url


@pytest.fixture
def resources(url: str) -> dict[str, str]:
    """Things to ask for, under the names of the path parameters that address them."""
    with httpx.Client(base_url=url) as client:
        agent = client.post("/v1/agents", json={"name": "agent"}).json()
        session = client.post("/v1/sessions", json={"agent_id": agent["id"]}).json()
        client.post(f"/v1/sessions/{session['id']}/messages", json={"content": "hi"})
        provider = {"name": session["id"], "provider_type": "simulated"}
        provider = client.post("/v1/providers", json=provider).json()
        server = {"name": session["id"], "url": "https://example.com/mcp"}
        server = client.post("/v1/mcp-servers", json=server).json()
        workspace = client.post("/api/v1/workspaces", json={"name": "workspace"}).json()
    return {
        "session_id": session["id"],
        "agent_id": agent["id"],
        "channel": agent["id"],
        "provider_id": provider["id"],
        "mcpserver_id": server["id"],
        "harness_id": GENERIC_HARNESS_ID,
        "workspace_id": workspace["id"],
    }


FILE = Path(__file__).parents[2] / "docs" / "openapi.json"
OPERATIONS = [
    pytest.param(method, path, id=f"{method.upper()} {path}")
    for path, methods in json.loads(FILE.read_text())["paths"].items()
    for method in methods
]


@pytest.fixture(scope="module")
def document() -> OpenApiSchema:
    """The document, with all checks that Schemathesis has."""
    load_all_checks()
    generation = GenerationConfig(allow_x00=False, deterministic=True)
    projects = ProjectsConfig(default=ProjectConfig(generation=generation))
    return schemathesis.openapi.from_path(FILE, config=SchemathesisConfig(projects=projects))


@hypothesis_settings(
    max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
def is_answered_as_documented(case: schemathesis.Case, url: str, resources: dict[str, str]):
    for name in resources.keys() & case.path_parameters.keys():
        identity, generated = resources[name], str(case.path_parameters[name])
        # A channel takes any name, which would hardly ever be that of an agent.
        if name == "channel" or is_id(generated, identity.partition("_")[0]):
            case.path_parameters[name] = identity

    response = case.call(base_url=url, timeout=10)

    case.validate_response(response, excluded_checks=excluded_checks(case, response))


# Not by Schemathesis' own parameters, which it would generate in each process for all operations.
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_a_generated_request_is_answered_as_documented(
    document: OpenApiSchema, url: str, resources: dict[str, str], method: str, path: str
):
    generate = HypothesisTestConfig(project=document.config, modes=list(HypothesisTestMode))
    generated = create_test(
        operation=document[path][method], test_func=is_answered_as_documented, config=generate
    )

    generated(url=url, resources=resources)


def excluded_checks(case: schemathesis.Case, response: schemathesis.Response) -> list:
    """Return the checks that do not hold for an answer, for what the document cannot say."""
    checks = [positive_data_acceptance] if is_beyond_schemas(response) else []
    if case.media_type == "application/octet-stream":
        checks.append(positive_data_acceptance)  # Bytes that are no text are no document.
    if case.path.endswith("/raw/{path}") and not response.request.body:
        checks.append(negative_data_rejection)  # No body is the body of an empty file.
    if response.status_code == 501 and response.json()["error"]["code"] == "NOT_IMPLEMENTED":
        checks.append(not_a_server_error)
    if case.path.startswith(WITH_MORE_METHODS):
        checks.append(unsupported_method)
    return checks


def is_beyond_schemas(response: schemathesis.Response) -> bool:
    if response.status_code != 400:
        return False
    error = response.json()["error"]
    # What a line of an import must be is JSON in a text, of which a schema cannot tell.
    says = (
        "provider's settings",
        "is blank",
        "line 1: ",
        "printable characters",
        "is not valid base64",
        "agent_name: give either",
        "must be less than timeout_seconds",
        "agent_id: the path names the agent",
        "writes at most",
        # Which events a log has.
        "Give one of them, or leave it out",
        # Which texts are entity tags; Schemathesis sends headers without a value whatever a
        # pattern says.
        "must be * or entity tags in quotes",
        # Which JSON is a JSON Schema.
        "output_schema: ",
        ".parameters: ",
    )
    return error["code"] in BEYOND_SCHEMAS or any(words in error["message"] for words in says)
