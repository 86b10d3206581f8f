"""The documentation that the server shows of itself."""

import re
from pathlib import Path

import httpx
import orjson
import pytest

from everruns.api.app import create_app
from everruns.api.docs.openapi import render_document
from everruns.api.docs.pages import PAGE, START
from everruns.capabilities.registry import load_capabilities
from everruns.errors import error_classes
from everruns.runtime.local import LocalRuntime
from everruns.settings import Settings
from everruns.storage.memory.store import MemoryStore
from everruns.turn_failures import TurnFailure

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The document as it is served; to render it takes a second."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("documented"))
    known = load_capabilities()
    return render_document(
        create_app(LocalRuntime(MemoryStore(), settings, known), settings, known)
    )


@pytest.fixture
def document(rendered: bytes) -> dict:
    return orjson.loads(rendered)


def operations(document: dict) -> dict[str, dict]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def references(value: object) -> set[str]:
    if isinstance(value, dict):
        found = {value["$ref"]} if "$ref" in value else set()
        return found.union(*map(references, value.values()))
    if isinstance(value, list):
        return set().union(*map(references, value))
    return set()


async def test_the_page_and_all_it_needs_come_from_this_server(client: httpx.AsyncClient):
    page = await client.get("/swagger-ui/")
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert page.status_code == 200
    assert len(assets) == 4
    for asset in assets:
        assert asset.startswith("/swagger-ui/")
        assert (await client.get(asset)).status_code == 200
    assert "//" not in (PAGE + START).replace("<!DOCTYPE", "")
    assert "connect-src 'self'" in page.headers["content-security-policy"]


async def test_the_page_is_found_without_its_slash(client: httpx.AsyncClient):
    response = await client.get("/swagger-ui")

    assert response.is_redirect
    assert response.headers["location"] == "/swagger-ui/"


async def test_other_files_are_not_served(client: httpx.AsyncClient):
    for name in ("redoc.standalone.js", "..%2f..%2fcore.py", "%2e%2e/core.py"):
        assert (await client.get(f"/swagger-ui/{name}")).status_code == 404


async def test_a_deployment_can_hide_its_documentation(runtime: LocalRuntime, settings: Settings):
    hidden = settings.model_copy(update={"docs": False, "console": False})
    app = create_app(runtime, hidden, load_capabilities())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.get("/swagger-ui/")).status_code == 404
        assert (await client.get("/api-doc/openapi.json")).status_code == 404
        root = await client.get("/")
        assert root.status_code == 404
        assert root.json()["error"]["message"] == "There is no route /. The API begins at /v1."


async def test_the_document_is_served(client: httpx.AsyncClient, document: dict):
    served = (await client.get("/api-doc/openapi.json")).json()

    assert served == document
    assert served["openapi"].startswith("3.1")


def test_the_committed_document_is_not_stale(rendered: bytes):
    assert rendered == COMMITTED.read_bytes(), "run: make openapi"


def test_every_route_of_the_contract_is_documented_on_both_faces(document: dict):
    routes = {
        "GET /agents",
        "POST /agents",
        "GET /agents/{agent_id}",
        "PATCH /agents/{agent_id}",
        "DELETE /agents/{agent_id}",
        "GET /agents/{agent_id}/sessions",
        "POST /agents/{agent_id}/sessions",
        "GET /sessions",
        "POST /sessions",
        "GET /sessions/{session_id}",
        "DELETE /sessions/{session_id}",
        "GET /sessions/{session_id}/messages",
        "POST /sessions/{session_id}/messages",
        "GET /sessions/{session_id}/events",
        "POST /sessions/{session_id}/cancel",
        "GET /capabilities",
        "GET /capabilities/{capability_id}",
        "GET /llm-providers",
        "POST /llm-providers",
        "GET /llm-providers/{provider_id}",
        "PATCH /llm-providers/{provider_id}",
        "DELETE /llm-providers/{provider_id}",
        "GET /llm-providers/{provider_id}/models",
        "GET /mcp-servers",
        "POST /mcp-servers",
        "GET /mcp-servers/{mcpserver_id}",
        "PATCH /mcp-servers/{mcpserver_id}",
        "DELETE /mcp-servers/{mcpserver_id}",
        "POST /mcp-servers/{mcpserver_id}/test",
        "GET /models",
    }
    documented = operations(document)

    for face in ("/v1", "/api/v1"):
        for route in routes:
            assert route.replace(" ", f" {face}") in documented
    assert "GET /api/v1/sessions/{session_id}/sse" in documented
    assert "GET /v1/sessions/{session_id}/sse" not in documented


def test_operations_have_readable_names_of_their_own(document: dict):
    names = [operation["operationId"] for operation in operations(document).values()]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)


def test_every_operation_tells_its_errors_in_the_one_shape(document: dict):
    for operation in operations(document).values():
        responses = operation["responses"]
        assert "422" not in responses
        assert {"400", "401", "429", "500", "503"} <= set(responses)
    for response in document["components"]["responses"].values():
        schema = response["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Error"}


def test_every_reference_leads_somewhere(document: dict):
    for reference in references(document):
        _, section, kind, name = reference.split("/")
        assert name in document[section][kind]


def test_the_stream_is_documented_with_its_events(document: dict):
    responses = document["paths"]["/v1/sessions/{session_id}/events"]["get"]["responses"]
    stream = responses["200"]["content"]["text/event-stream"]

    data = stream["itemSchema"]["oneOf"][0]["properties"]["data"]
    assert data["contentSchema"] == {"$ref": "#/components/schemas/Event"}
    assert "event: message.delta" in stream["example"]
    known = document["components"]["schemas"]["Event"]["discriminator"]["mapping"]
    assert {"message.created", "message.delta", "tool.call", "session.failed"} <= set(known)


def tables(text: str) -> tuple[dict[str, str], set[str]]:
    """Return the codes and statuses of the table of answers, and the codes of failed turns."""
    answers = {
        code: status
        for codes, status in re.findall(r"^\| (`[A-Z_`, ]+`) \| (\d+) \|", text, re.MULTILINE)
        for code in re.findall(r"[A-Z_]+", codes)
    }
    failures = set(re.findall(r"^\| `([A-Z_]+)` \| [^|]*[^|\d ][^|]* \|$", text, re.MULTILINE))
    return answers, failures


def test_the_tables_of_errors_are_those_of_the_contract(document: dict):
    contract = (COMMITTED.parent / "contract.md").read_text().partition("## Errors")[2]
    answers, failures = tables(document["info"]["description"])

    assert len(answers) > 30
    assert answers == tables(contract)[0]
    # The contract names codes of the first table again where a turn can fail with them.
    assert failures <= tables(contract)[1]
    assert failures >= {error.code for error in error_classes(TurnFailure)}


def test_the_tables_of_errors_speak_of_what_a_client_can_meet(document: dict):
    description = document["info"]["description"]

    for inner in ("SEQUENCE_CONFLICT", "PLACED_ELSEWHERE", "ubclass", "driver", "| 500 | A budget"):
        assert inner not in description


def test_a_summary_is_a_sentence(document: dict):
    for operation in operations(document).values():
        assert re.fullmatch(r"[A-Z][a-z]+ [a-z].*[^.;:,]", operation["summary"])


def test_v1_comes_first_and_no_path_has_two_names(document: dict):
    tags = [tag["name"] for tag in document["tags"]]
    first_of_the_sdk = tags.index("sdk_agents")

    assert all(tag.startswith("sdk_") for tag in tags[first_of_the_sdk:])
    assert not any(tag.startswith("sdk_") for tag in tags[:first_of_the_sdk])
    assert not any(re.search(r"v1/(providers|llm-models)", path) for path in document["paths"])
    used = {tag for operation in operations(document).values() for tag in operation["tags"]}
    assert used == set(tags)


def schemas_of_requests(document: dict, prefix: str) -> set[str]:
    """Return the names of the schemas that the bodies of a face are made of."""
    found: set[str] = set()
    waiting = [
        operation.get("requestBody")
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if path.startswith(prefix)
    ]
    while waiting:
        names = {name.rpartition("/")[2] for name in references(waiting.pop())} - found
        found |= names
        waiting += [document["components"]["schemas"][name] for name in names]
    return found


def test_requests_of_v1_have_no_fields_but_those_of_their_schema(document: dict):
    names = schemas_of_requests(document, "/v1/")

    assert {"AgentInput", "SendMessage", "ImagePartInput", "ClientTool"} <= names
    for name in names:
        assert document["components"]["schemas"][name]["additionalProperties"] is False


def test_no_property_of_a_request_has_a_default(document: dict):
    names = schemas_of_requests(document, "/v1/") | schemas_of_requests(document, "/api/v1/")

    for name in names:
        for field in document["components"]["schemas"][name]["properties"].values():
            assert "default" not in field


def test_bodies_are_shown_by_example(document: dict):
    for route in ("/v1/agents", "/v1/sessions", "/v1/llm-providers"):
        body = document["paths"][route]["post"]["requestBody"]
        assert body["content"]["application/json"]["examples"]
