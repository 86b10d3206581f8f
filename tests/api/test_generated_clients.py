"""Clients that are generated from the committed document compile and hold a conversation.

The generators run with their own defaults: openapi-typescript with TypeScript's strict rules, and
openapi-python-client in the environment that `make test` gives it.
"""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import httpx
import pytest

from tests.aimock import NODE_ROOT, find_node

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "openapi.json"
GENERATORS = Path(sys.prefix) / "generators" / "bin"
PROGRAM = Path(__file__).with_name("generated_python_client.py")
TURN = ["message.created", "session.started", "message.created", "session.completed"]
PATIENCE_S = 150


async def run(*command: object, folder: Path, **environment: str) -> str:
    """Run a program and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=folder,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


def is_a_conversation(told: dict) -> None:
    assert [kind for kind in told["types"] if not kind.endswith(".delta")] == TURN
    assert told["texts"][0] == "Hello"
    assert told["texts"][1] == told["text"] != ""
    assert told["code"] == "INVALID_REQUEST"


@pytest.fixture
async def simulated(server: httpx.AsyncClient) -> httpx.AsyncClient:
    """A server whose default model is simulated."""
    await server.post(
        "/v1/llm-providers",
        json={"name": "slow", "provider_type": "simulated", "is_default": True}
        | {"settings": {"first_token_ms": 300, "tokens_per_s": 50}},
    )
    return server


async def test_a_client_of_openapi_typescript_compiles_and_talks(
    simulated: httpx.AsyncClient, tmp_path: Path
):
    node = find_node()
    packages = NODE_ROOT / "node_modules"
    (tmp_path / "node_modules").symlink_to(packages)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for name in ("conversation.ts", "tsconfig.json"):
        shutil.copy(NODE_ROOT / name, tmp_path)
    generator = packages / "openapi-typescript" / "bin" / "cli.js"
    compiler = packages / "typescript" / "bin" / "tsc"

    await run(node, generator, DOCUMENT, "-o", "schema.d.ts", folder=tmp_path)
    await run(node, compiler, "-p", ".", folder=tmp_path)
    base = str(simulated.base_url).rstrip("/")
    printed = await run(node, "conversation.js", base, folder=tmp_path)

    is_a_conversation(json.loads(printed))


async def test_a_client_of_openapi_python_client_is_whole_and_talks(
    simulated: httpx.AsyncClient, tmp_path: Path
):
    generator = GENERATORS / "openapi-python-client"
    options = ("--path", DOCUMENT, "--meta", "none", "--output-path", tmp_path / "generated")
    said = await run(generator, "generate", *options, folder=tmp_path)
    document = json.loads(DOCUMENT.read_text())
    operations = [
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    ]
    modules = {path.stem for path in (tmp_path / "generated" / "api").rglob("*.py")}

    assert "will not be generated" not in said
    assert "omitted" not in said
    assert set(operations) <= modules
    base = str(simulated.base_url).rstrip("/")
    printed = await run(
        GENERATORS / "python", PROGRAM, base, folder=tmp_path, PYTHONPATH=str(tmp_path)
    )
    is_a_conversation(json.loads(printed))
