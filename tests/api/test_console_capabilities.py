"""The capabilities with which the console's forms are tested are those of this server."""

import json
from pathlib import Path

import httpx

KEPT = Path(__file__).parent / "capabilities.json"


async def test_the_forms_of_the_console_are_tested_with_the_capabilities_of_today(
    client: httpx.AsyncClient,
):
    served = (await client.get("/v1/capabilities?limit=100")).json()["data"]

    text = json.dumps(served, indent=2, sort_keys=True) + "\n"
    assert KEPT.read_text() == text, (
        f"{KEPT.name} is stale. Write the data of GET /v1/capabilities?limit=100 of a new server "
        "into it, as json.dumps(data, indent=2, sort_keys=True) with a line end."
    )
