"""Answers of routes that write them without the framework."""

from pydantic import BaseModel
from starlette.responses import Response


def answer(resource: BaseModel, status: int = 201) -> Response:
    """Return a response that shows a resource."""
    body = resource.model_dump_json(exclude_none=True)
    return Response(body, status, media_type="application/json")
