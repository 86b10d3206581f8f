"""Routes of models, under ``/models`` and ``/llm-models``.

Source: docs/contract.md, "Resources", Model.
"""

from typing import Annotated

from fastapi import APIRouter, Path

from everruns.api.http.faces import Face
from everruns.api.http.pages import page_of
from everruns.api.http.parameters import DEFAULT_LIMIT, Limit, Offset, Search, TheRuntime, listing
from everruns.domain.base import Page
from everruns.domain.llm import OfferedModel

ModelName = Annotated[
    str,
    Path(
        min_length=1,
        max_length=600,
        description="Id of a model, or `<provider name>/<model name>`.",
        examples=["simulated/simulated-1"],
    ),
]


async def list_models(
    runtime: TheRuntime,
    search: Search = None,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[OfferedModel]:
    """List the models of all active providers."""
    models = await runtime.registry.providers.models()
    return page_of(models, offset, limit, search, lambda model: model.qualified_name)


async def get_model(model: ModelName, runtime: TheRuntime) -> OfferedModel:
    """Read a model."""
    return await runtime.registry.providers.get_model(model)


def add_routes(router: APIRouter, face: Face) -> None:
    """Add the routes of models to a face."""
    router.get("/models")(listing(face, list_models))
    router.get("/models/{model:path}")(get_model)
    router.get("/llm-models", name="list_llm_models")(listing(face, list_models))
    router.get("/llm-models/{model:path}", name="get_llm_model")(get_model)
