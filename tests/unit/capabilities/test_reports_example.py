"""The example of a capability that looks before it offers, with a real reporting service."""

import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from everruns.capabilities.base import Capability
from tests.conversations import Conversation
from tests.scripts import ScriptedDriver, call, calls, local_runtime, says

EXAMPLE = Path(__file__).parents[3] / "examples/reports/everruns_reports.py"
PARAMETERS = {"type": "object", "properties": {"year": {"type": "integer"}}, "required": ["year"]}


@pytest.fixture
def reports() -> Capability:
    spec = importlib.util.spec_from_file_location("everruns_reports", EXAMPLE)
    assert spec
    assert spec.loader
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.REPORTS


@pytest.fixture
async def service() -> AsyncIterator[str]:
    async def list_reports(request: web.Request) -> web.Response:
        titles = {"sales": "Sales of a year.", "staff": "Who works here."}
        seen = titles if request.query["user"] == "ada" else {"sales": titles["sales"]}
        return web.json_response(
            [{"id": id_, "title": title, "parameters": PARAMETERS} for id_, title in seen.items()]
        )

    async def run(request: web.Request) -> web.Response:
        return web.json_response({"report": request.match_info["id"], **request.query})

    app = web.Application()
    app.add_routes([web.get("/reports", list_reports), web.get("/reports/{id}", run)])
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


async def turn(reports: Capability, url: str, end_user: str, driver: ScriptedDriver) -> Any:
    async with local_runtime(driver, preparation=reports.preparation) as runtime:
        wanted: dict[str, Any] = {
            "capabilities": [{"ref": "kit", "config": {"url": url}}],
            "end_user": end_user,
        }
        talk = await Conversation.begin(runtime, **wanted)
        await talk.say("How were sales?")
        return [data.get("result") for data in await talk.data_of("tool.result")]


async def test_each_user_is_offered_their_reports(reports: Capability, service: str):
    for user, expected in (("ada", ["report_sales", "report_staff"]), ("bob", ["report_sales"])):
        driver = ScriptedDriver(says("Fine."))
        await turn(reports, service, user, driver)
        assert [tool.name for tool in driver.requests[0].tools] == expected


async def test_a_report_runs_at_the_service(reports: Capability, service: str):
    driver = ScriptedDriver(calls(call("report_sales", year=2025)), says("Good."))
    results = await turn(reports, service, "bob", driver)
    assert results == [{"report": "sales", "user": "bob", "year": "2025"}]


async def test_a_service_that_is_away_is_a_note(reports: Capability):
    driver = ScriptedDriver(says("I cannot see."))
    await turn(reports, "http://127.0.0.1:9", "bob", driver)
    assert "the reporting service cannot be reached" in driver.requests[0].system_prompt
