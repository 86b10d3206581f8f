"""Routes of providers, under ``/llm-providers`` and ``/providers``.

Source: docs/contract.md, "Resources", Provider.
"""

from typing import Annotated

from fastapi import APIRouter, Body

from everruns.api.http.faces import Face
from everruns.api.http.pages import page_of
from everruns.api.http.parameters import (
    DEFAULT_LIMIT,
    Limit,
    Offset,
    ProviderId,
    Search,
    TheRuntime,
    listing,
)
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


async def list_providers(
    runtime: TheRuntime,
    search: Search = None,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Provider]:
    """List the providers, newest first."""
    providers = await runtime.registry.providers.list()
    return page_of(providers, offset, limit, search, lambda provider: provider.name)


async def add_provider(
    wanted: Annotated[ProviderInput, Body(openapi_examples={"openai": {"value": EXAMPLE}})],
    runtime: TheRuntime,
) -> Provider:
    """Add a provider. Its key and headers are stored encrypted, and no response contains them.

    Without ``models``, a provider with a ``base_url`` is asked for its own.
    """
    return await runtime.registry.providers.add(wanted)


async def get_provider(provider_id: ProviderId, runtime: TheRuntime) -> Provider:
    """Read a provider."""
    return await runtime.registry.providers.get(provider_id)


async def update_provider(
    provider_id: ProviderId, patch: ProviderPatch, runtime: TheRuntime
) -> Provider:
    """Change the given fields of a provider; sessions pick up the change at their next turn."""
    return await runtime.registry.providers.update(provider_id, patch)


async def remove_provider(provider_id: ProviderId, runtime: TheRuntime) -> None:
    """Remove a provider and its key."""
    await runtime.registry.providers.delete(provider_id)


async def list_provider_models(
    provider_id: ProviderId,
    runtime: TheRuntime,
    offset: Offset = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[OfferedModel]:
    """List the models of a provider."""
    provider = await runtime.registry.providers.get(provider_id)
    return page_of(provider.models, offset, limit)


async def sync_provider_models(provider_id: ProviderId, runtime: TheRuntime) -> SyncedModels:
    """Ask a provider for its models again. Models that were listed by hand stay."""
    return await runtime.registry.providers.sync_models(provider_id)


async def try_provider(
    provider_id: ProviderId,
    runtime: TheRuntime,
    wanted: ProviderTest | None = None,
) -> ProviderTested:
    """Make one small call of a provider's model, and say in words what is wrong if it fails."""
    return await runtime.registry.providers.test(provider_id, wanted or ProviderTest())


def add_routes(router: APIRouter, face: Face) -> None:
    """Add the routes of providers to a face."""
    for path, plural, singular in (
        ("/llm-providers", "llm_providers", "llm_provider"),
        ("/providers", "providers", "provider"),
    ):
        one = path + "/{provider_id}"
        router.get(path, name=f"list_{plural}")(listing(face, list_providers))
        router.post(path, status_code=201, name=f"add_{singular}")(add_provider)
        router.get(one, name=f"get_{singular}")(get_provider)
        router.patch(one, name=f"update_{singular}")(update_provider)
        router.delete(one, status_code=204, name=f"remove_{singular}")(remove_provider)
        router.get(f"{one}/models", name=f"list_{singular}_models")(
            listing(face, list_provider_models)
        )
        router.post(f"{one}/sync-models", name=f"sync_{singular}_models")(sync_provider_models)
        router.post(f"{one}/test", name=f"test_{singular}")(try_provider)
