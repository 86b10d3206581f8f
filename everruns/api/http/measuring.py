"""What the API measures of its streams, and what it knows of its requests."""

from fastapi import FastAPI

from everruns.api.http.request_records import RequestRecords
from everruns.api.http.sse import OpenStreams
from everruns.telemetry.meters import Meters
from everruns.telemetry.metrics import STREAMS_OPEN


def refresh_meters(app: FastAPI) -> None:
    """Bring the meters of an application up to date, before somebody takes what they have."""
    requests: RequestRecords = app.state.requests
    requests.settle()
    meters: Meters = app.state.meters
    open_streams: OpenStreams = app.state.open_streams
    meters.set(STREAMS_OPEN, len(open_streams))
