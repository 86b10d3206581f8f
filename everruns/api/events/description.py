"""What the OpenAPI document says about the routes of events."""

from collections.abc import Sequence
from typing import Any

from everruns.api.events.requests import LISTS, EventsRequest
from everruns.api.http.reads import Reads
from everruns.api.http.vocabulary import Vocabulary

LAST_EVENT_ID: dict[str, Any] = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "Id of the last event that the reader has seen; ignored if unknown.",
    "schema": {"type": "string"},
}


def event_parameters(vocabulary: Vocabulary, names: Sequence[str], limit: int) -> Reads:
    """Describe the parameters of a route.

    Args:
        vocabulary: How its face shows events.
        names: Its query parameters.
        limit: How many events a list returns by default.
    """
    fields: dict[str, Any] = EventsRequest.model_json_schema()["properties"]
    fields["limit"]["default"] = limit
    for name in LISTS - {"tags"}:
        fields[name]["items"]["enum"] = vocabulary.event_types
    queries = [{"name": name, "in": "query", "schema": fields[name]} for name in names]
    return Reads(ids=["session"], parameters=[*queries, LAST_EVENT_ID])


def event_stream(vocabulary: Vocabulary, ids_are: str) -> dict[int | str, Any]:
    """Describe the responses of a route that streams events.

    Args:
        vocabulary: How its face shows events.
        ids_are: Which events have an id, e.g. ``On every event``.
    """
    json_text = {"type": "string", "contentMediaType": "application/json"}
    reference = {"$ref": f"#/components/schemas/{vocabulary.event_schema}"}
    event = {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"enum": vocabulary.event_types},
            "id": {"type": "string", "description": f"{ids_are}: a cursor."},
            "data": {**json_text, "contentSchema": reference},
        },
    }
    sign = {
        "type": "object",
        "required": ["event", "data"],
        "properties": {"event": {"enum": ["connected", "disconnecting"]}, "data": json_text},
    }
    frames = {
        # Of OpenAPI 3.2; before it, nothing describes a single frame.
        "itemSchema": {"description": "One frame of the stream.", "oneOf": [event, sign]},
        "example": vocabulary.example,
    }
    content = {"text/event-stream": frames}
    return {200: {"description": "The events as they occur", "content": content}}
