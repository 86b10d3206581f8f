"""docs/providers.md does what it says, run from top to bottom."""

import asyncio
import re
from pathlib import Path

import httpx
import orjson

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"


async def test_the_page_runs_as_printed_and_leaves_a_default_provider(server: httpx.AsyncClient):
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) > 10
    # Each answer on a line of its own.
    script = "\n".join(blocks).replace("curl -s", "curl -s -w '\\n'")

    process = await asyncio.create_subprocess_exec(
        "bash",
        "-eu",
        "-c",
        script,
        env={"BASE": str(server.base_url).rstrip("/"), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    written, complaints = await asyncio.wait_for(process.communicate(), 120)

    assert process.returncode == 0, complaints.decode()
    answers = [orjson.loads(line) for line in written.splitlines() if line]
    assert len(answers) > 10
    assert [answer["error"] for answer in answers if isinstance(answer.get("error"), dict)] == []
    providers = (await server.get("/v1/llm-providers")).json()["data"]
    assert [provider["name"] for provider in providers if provider["is_default"]] == ["simulated"]
    models = (await server.get("/v1/models?limit=100")).json()["data"]
    assert [model["provider_name"] for model in models if model["is_default"]] == ["simulated"]
