"""Routes of providers, under ``/llm-providers`` and ``/providers``.

Source: docs/contract.md, "Resources", Provider.
"""

from typing import Annotated

from fastapi import Body

from everruns.api.http.pages import page_of
from everruns.api.http.parameters import (
    DEFAULT_LIMIT,
    Limit,
    Offset,
    ProviderId,
    Search,
    TheRuntime,
)
from everruns.api.http.routes import Routes
from everruns.domain.base import Page
from everruns.domain.llm import (
    OfferedModel,
    Provider,
    ProviderInput,
    ProviderPatch,
    ProviderTest,
    ProviderTested,
    SyncedModels,
)

EXAMPLE = {
    "name": "my-openai",
    "provider_type": "openai",
    "api_key": "sk-…",
    "base_url": "https://api.openai.com/v1",
}


routes = Routes("providers", alias=("/llm-providers", "/providers"))


@routes.add("GET /llm-providers")
async def list_llm_providers(
    runtime: TheRuntime,
    search: Search = None,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Provider]:
    """List the providers, newest first."""
    providers = await runtime.providers.list()
    return page_of(providers, offset, limit, search, lambda provider: provider.name)


@routes.add("POST /llm-providers", status_code=201)
async def add_llm_provider(
    wanted: Annotated[ProviderInput, Body(openapi_examples={"openai": {"value": EXAMPLE}})],
    runtime: TheRuntime,
) -> Provider:
    """Add a provider. Its key and headers are stored encrypted, and no response contains them.

    Without ``models``, a provider with a ``base_url`` is asked for its own.
    """
    return await runtime.providers.add(wanted)


@routes.add("GET /llm-providers/{provider_id}")
async def get_llm_provider(provider_id: ProviderId, runtime: TheRuntime) -> Provider:
    """Read a provider."""
    return await runtime.providers.get(provider_id)


@routes.add("PATCH /llm-providers/{provider_id}")
async def update_llm_provider(
    provider_id: ProviderId, patch: ProviderPatch, runtime: TheRuntime
) -> Provider:
    """Change the given fields of a provider; sessions pick up the change at their next turn."""
    return await runtime.providers.update(provider_id, patch)


@routes.add("DELETE /llm-providers/{provider_id}", status_code=204)
async def remove_llm_provider(provider_id: ProviderId, runtime: TheRuntime) -> None:
    """Remove a provider and its key."""
    await runtime.providers.delete(provider_id)


@routes.add("GET /llm-providers/{provider_id}/models")
async def list_llm_provider_models(
    provider_id: ProviderId,
    runtime: TheRuntime,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[OfferedModel]:
    """List the models of a provider."""
    provider = await runtime.providers.get(provider_id)
    return page_of(provider.models, offset, limit)


@routes.add("POST /llm-providers/{provider_id}/sync-models")
async def sync_llm_provider_models(provider_id: ProviderId, runtime: TheRuntime) -> SyncedModels:
    """Ask a provider for its models again. Models that were listed by hand stay."""
    return await runtime.providers.sync_models(provider_id)


@routes.add("POST /llm-providers/{provider_id}/test", name="test_llm_provider")
async def try_llm_provider(
    provider_id: ProviderId,
    runtime: TheRuntime,
    wanted: ProviderTest | None = None,
) -> ProviderTested:
    """Make one small call to a provider's model; if it fails, say in words what is wrong."""
    return await runtime.providers.test(provider_id, wanted or ProviderTest())
