"""Providers: which is the default, which models they offer, what becomes of their keys."""

from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from everruns.domain.llm import ProviderInput, ProviderPatch
from everruns.errors import (
    Conflict,
    InvalidRequest,
    ModelNotFound,
    ProviderNotFound,
    StoreUnavailable,
)
from everruns.registry.registry import Registry
from everruns.settings import Settings

KEY = "sk-test-secret-0002"


def wanted(name: str, **fields: Any) -> ProviderInput:
    return ProviderInput.model_validate({"name": name, "provider_type": "simulated", **fields})


def patch(**fields: Any) -> ProviderPatch:
    return ProviderPatch.model_validate(fields)


async def defaults(registry: Registry) -> list[str]:
    return [item.name for item in await registry.providers.list() if item.is_default]


async def test_the_first_provider_is_the_default_until_another_one_is_chosen(registry: Registry):
    await registry.providers.add(wanted("first"))
    second = await registry.providers.add(wanted("second"))
    assert await defaults(registry) == ["first"]
    await registry.providers.update(second.id, patch(is_default=True))
    assert await defaults(registry) == ["second"]
    await registry.providers.add(wanted("third", is_default=True))
    assert await defaults(registry) == ["third"]


async def test_a_name_that_is_taken_is_refused(registry: Registry):
    await registry.providers.add(wanted("first"))
    second = await registry.providers.add(wanted("second"))
    with pytest.raises(Conflict) as refused:
        await registry.providers.add(wanted("first"))
    assert refused.value.code == "PROVIDER_NAME_TAKEN"
    with pytest.raises(Conflict):
        await registry.providers.update(second.id, patch(name="first"))
    await registry.providers.update(second.id, patch(name="second"))


async def test_models_keep_their_ids_through_every_change(registry: Registry):
    provider = await registry.providers.add(
        wanted("p", models=[{"model_id": "a"}, {"model_id": "b"}])
    )
    before = {model.model_id: model.id for model in provider.models}
    renamed = await registry.providers.update(provider.id, patch(name="q"))
    assert {model.model_id: model.id for model in renamed.models} == before
    assert [model.qualified_name for model in renamed.models] == ["q/a", "q/b"]
    changed = await registry.providers.update(
        provider.id, patch(models=[{"model_id": "b"}, {"model_id": "c"}])
    )
    assert [model.model_id for model in changed.models] == ["b", "c"]
    assert changed.models[0].id == before["b"]


async def test_one_model_at_most_is_the_default(registry: Registry):
    models = [{"model_id": "a"}, {"model_id": "b"}]
    first = await registry.providers.add(wanted("p", models=models))
    assert [model.is_default for model in first.models] == [True, False]

    second = await registry.providers.add(wanted("q", models=models, is_default=True))
    assert [model.is_default for model in second.models] == [True, False]
    offered = await registry.providers.models()
    assert [model.qualified_name for model in offered if model.is_default] == ["q/a"]
    assert not any(model.is_default for model in (await registry.providers.get(first.id)).models)

    await registry.providers.update(second.id, patch(status="disabled"))
    assert not any(model.is_default for model in await registry.providers.models())


async def test_a_model_named_twice_is_offered_once(registry: Registry):
    provider = await registry.providers.add(
        wanted("p", models=[{"model_id": "a"}, {"model_id": "a", "display_name": "A"}])
    )
    assert [model.display_name for model in provider.models] == ["A"]


async def test_without_models_the_catalogue_decides(registry: Registry):
    provider = await registry.providers.add(wanted("o", provider_type="openai"))
    assert provider.models
    assert all(model.profile for model in provider.models)


async def test_a_key_is_kept_for_hosts_and_never_shown(registry: Registry):
    provider = await registry.providers.add(wanted("p", api_key=KEY))
    assert provider.api_key_set
    (account,) = (await registry.configuration(None)).accounts
    assert account.api_key == SecretStr(KEY)
    shown = f"{provider.wire()} {provider!r} {account!r} {account.wire()}"
    assert KEY not in shown


async def test_a_change_leaves_the_key_and_null_removes_it(registry: Registry):
    provider = await registry.providers.add(wanted("p", api_key=KEY))
    assert (await registry.providers.update(provider.id, patch(name="q"))).api_key_set
    assert not (await registry.providers.update(provider.id, patch(api_key=None))).api_key_set
    assert (await registry.providers.accounts())[0].api_key is None


async def test_wrong_settings_are_refused_and_nothing_is_stored(registry: Registry):
    with pytest.raises(InvalidRequest):
        await registry.providers.add(wanted("p", settings={"nonsense": 1}))
    assert await registry.providers.list() == []
    provider = await registry.providers.add(wanted("p"))
    with pytest.raises(InvalidRequest):
        await registry.providers.update(provider.id, patch(settings={"nonsense": 1}))


async def test_a_disabled_providers_models_are_not_offered(registry: Registry):
    provider = await registry.providers.add(wanted("p"))
    named = provider.models[0].qualified_name
    assert (await registry.providers.get_model(named)).id == provider.models[0].id
    await registry.providers.update(provider.id, patch(status="disabled"))
    assert await registry.providers.models() == []
    with pytest.raises(ModelNotFound):
        await registry.providers.get_model(named)


async def test_what_is_deleted_is_gone(registry: Registry):
    provider = await registry.providers.add(wanted("p"))
    await registry.providers.delete(provider.id)
    for gone in (
        registry.providers.get(provider.id),
        registry.providers.delete(provider.id),
        registry.providers.update(provider.id, patch(name="q")),
    ):
        with pytest.raises(ProviderNotFound):
            await gone


async def test_a_first_start_finds_a_simulated_provider(registry: Registry, tmp_path):
    settings = Settings(data_dir=tmp_path)
    await registry.seed(settings, has_local_model=False)
    await registry.seed(settings, has_local_model=False)
    assert [item.name for item in await registry.providers.list()] == ["simulated"]
    assert await defaults(registry) == ["simulated"]


async def test_a_vendors_key_adds_it_once_and_later_renews_its_key(registry: Registry, tmp_path):
    await registry.seed(
        Settings(data_dir=tmp_path, openai_api_key=SecretStr("old")), has_local_model=True
    )
    assert await defaults(registry) == ["openai"]
    await registry.seed(
        Settings(data_dir=tmp_path, openai_api_key=SecretStr("new")), has_local_model=True
    )
    accounts = {item.provider.name: item for item in await registry.providers.accounts()}
    assert sorted(accounts) == ["local", "openai", "simulated"]
    assert accounts["openai"].api_key == SecretStr("new")


ELSEWHERE = "https://elsewhere.test/v1"


@pytest.mark.parametrize("before", [None, "https://proxy.test/v1"])
@pytest.mark.parametrize("after", [None, ELSEWHERE, "https://proxy.test/v2"])
async def test_a_stored_key_is_not_sent_to_another_address(registry: Registry, before, after):
    provider = await registry.providers.add(
        wanted("p", provider_type="openai", base_url=before, api_key=KEY)
    )
    moved = patch(base_url=after, name="q")

    if before == after:
        await registry.providers.update(provider.id, moved)
    else:
        with pytest.raises(InvalidRequest, match="api_key again"):
            await registry.providers.update(provider.id, moved)

    (account,) = await registry.providers.accounts()
    assert (account.provider.base_url, account.api_key) == (before, SecretStr(KEY))


@pytest.mark.parametrize("api_key", ["sk-new", None])
async def test_with_its_key_or_without_any_a_provider_moves(registry: Registry, api_key):
    provider = await registry.providers.add(wanted("p", provider_type="openai", api_key=KEY))
    moved = await registry.providers.update(provider.id, patch(base_url=ELSEWHERE, api_key=api_key))
    assert moved.base_url == ELSEWHERE
    (account,) = await registry.providers.accounts()
    assert account.api_key == (SecretStr(api_key) if api_key else None)


async def test_a_provider_without_a_key_moves_freely(registry: Registry):
    provider = await registry.providers.add(wanted("p", provider_type="openai"))
    assert (await registry.providers.update(provider.id, patch(base_url=ELSEWHERE))).base_url


@pytest.mark.parametrize(
    "fields",
    [
        {"provider_type": "openai", "base_url": ELSEWHERE},
        {"provider_type": "openai", "base_url": "http://api.openai.com/v1"},
        {"provider_type": "openai", "base_url": "https://api.openai.com:8443/v1"},
        {"provider_type": "openai", "base_url": "https://api.openai.com@elsewhere.test/v1"},
        {"provider_type": "openai", "base_url": "https://api.openai.com.elsewhere.test/v1"},
        {"provider_type": "anthropic"},
        {"provider_type": "simulated"},
    ],
)
async def test_the_environments_key_goes_to_its_vendor_alone(registry: Registry, tmp_path, fields):
    await registry.providers.add(wanted("openai", **fields))
    settings = Settings(data_dir=tmp_path, openai_api_key=SecretStr(KEY))

    with structlog.testing.capture_logs() as logs:
        await registry.seed(settings, has_local_model=False)

    assert [account.api_key for account in await registry.providers.accounts()] == [None]
    assert [line["provider"] for line in logs] == ["openai"]
    assert KEY not in str(logs)


@pytest.mark.parametrize(
    "base_url", [None, "https://api.openai.com/v1", "https://eu.api.openai.com/v1"]
)
async def test_the_vendors_own_addresses_get_the_environments_key(
    registry: Registry, tmp_path, base_url
):
    await registry.providers.add(wanted("openai", provider_type="openai", base_url=base_url))
    await registry.seed(
        Settings(data_dir=tmp_path, openai_api_key=SecretStr(KEY)), has_local_model=False
    )
    (account,) = await registry.providers.accounts()
    assert account.api_key == SecretStr(KEY)


async def test_the_default_changes_in_one_write(registry: Registry, monkeypatch):
    """Else a crash in between would leave two defaults, or a refused write none."""
    await registry.providers.add(wanted("old"))

    def refuse(*_: object) -> None:
        raise StoreUnavailable("full")

    monkeypatch.setattr(registry._database.store.providers, "put", refuse)
    with pytest.raises(StoreUnavailable):
        await registry.providers.add(wanted("new", is_default=True))
    monkeypatch.undo()
    assert await defaults(registry) == ["old"]
    written: list[int] = []
    put = registry._database.store.providers.put
    monkeypatch.setattr(
        registry._database.store.providers,
        "put",
        lambda *accounts: (written.append(len(accounts)), put(*accounts)),
    )
    await registry.providers.add(wanted("new", is_default=True))
    assert written == [2]
    assert await defaults(registry) == ["new"]
