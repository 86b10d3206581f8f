"""What the API measures of its requests and streams."""

import asyncio
from collections import Counter

import httpx
from fastapi import FastAPI

from everruns.api.http.request_records import refresh_meters
from everruns.ids import new_id
from everruns.telemetry.meters import Meters
from everruns.telemetry.metrics import (
    HTTP_ERRORS,
    HTTP_REQUESTS,
    STREAM_RECONNECTS,
    STREAMS_OPEN,
    Metric,
)
from tests.api.conftest import serving
from tests.waiting import PATIENCE_S


def counted(app: FastAPI, metric: Metric) -> dict:
    """What was counted since the last time."""
    refresh_meters(app)
    meters: Meters = app.state.meters
    return {
        labels: amount
        for (found, labels), amount in meters.take().counts.items()
        if found is metric and amount
    }


async def test_answers_count_by_the_template_of_their_route(
    client: httpx.AsyncClient, app: FastAPI
):
    for _ in range(2):
        await client.get(f"/v1/sessions/{new_id('session')}")
    await client.post("/v1/sessions", json={})
    assert counted(app, HTTP_REQUESTS) == {
        ("/v1/sessions/{session_id}", "GET", "4xx"): 2,
        ("/v1/sessions", "POST", "2xx"): 1,
    }


async def test_paths_and_methods_that_clients_make_up_count_together(
    client: httpx.AsyncClient, app: FastAPI
):
    for number in range(3):
        await client.request(f"MADEUP{number}", f"/v1/made-up-{number}")
    assert counted(app, HTTP_REQUESTS) == {("other", "other", "4xx"): 3}


async def test_errors_count_by_code_wherever_they_come_from(
    client: httpx.AsyncClient, app: FastAPI
):
    await client.get("/v1/nowhere")
    await client.get(f"/v1/sessions/{new_id('session')}")
    await client.post("/v1/agents", content="{")
    await client.get("/v1/agents", headers={"Host": "elsewhere.example"})
    assert counted(app, HTTP_ERRORS) == {
        ("ROUTE_NOT_FOUND",): 1,
        ("SESSION_NOT_FOUND",): 1,
        ("INVALID_JSON",): 1,
        ("HOST_NOT_ALLOWED",): 1,
    }


async def test_what_says_that_the_server_is_full_is_shown_from_the_start(
    client: httpx.AsyncClient, app: FastAPI
):
    await client.get("/health")
    shown = app.state.meters.take().counts
    for code in ("TOO_MANY_REQUESTS", "STORE_OVERLOADED", "CAPACITY_EXHAUSTED"):
        assert shown[HTTP_ERRORS, (code,)] == 0


async def test_a_stream_counts_while_it_is_read_and_again_if_it_continues(app: FastAPI):
    def streams_open() -> float:
        refresh_meters(app)
        return app.state.meters.take().gauges[STREAMS_OPEN, ()]

    reconnects: Counter = Counter()
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        session_id = (await client.post("/v1/sessions", json={})).json()["id"]
        path = f"/v1/sessions/{session_id}/events"
        async with client.stream("GET", path, params={"after_sequence": 0}) as stream:
            await anext(stream.aiter_lines())
            reconnects.update(counted(app, STREAM_RECONNECTS))
            assert streams_open() == 1
        async with asyncio.timeout(PATIENCE_S):
            while streams_open():
                await asyncio.sleep(0.01)
    assert reconnects == {(): 1}
