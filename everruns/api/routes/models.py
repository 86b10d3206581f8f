"""Routes of models, under ``/models`` and ``/llm-models``.

Source: docs/contract.md, "Resources", Model.
"""

from typing import Annotated

from fastapi import Path

from everruns.api.http.pages import page_of
from everruns.api.http.parameters import DEFAULT_LIMIT, Limit, Offset, Search, TheRuntime
from everruns.api.http.routes import Routes
from everruns.domain.base import Page
from everruns.domain.llm import OfferedModel

ModelInPath = Annotated[
    str,
    Path(
        min_length=1,
        max_length=600,
        description="Id of a model, or `<provider name>/<model name>`.",
        examples=["simulated/simulated-1"],
    ),
]


routes = Routes("models", alias=("/models", "/llm-models"))


@routes.add("GET /models")
async def list_models(
    runtime: TheRuntime,
    search: Search = None,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[OfferedModel]:
    """List the models of all active providers."""
    models = await runtime.providers.models()
    return page_of(models, offset, limit, search, lambda model: model.qualified_name)


@routes.add("GET /models/{model:path}")
async def get_model(model: ModelInPath, runtime: TheRuntime) -> OfferedModel:
    """Read a model."""
    return await runtime.providers.get_model(model)
