"""Asking providers, in the registry's process, for their models and for one small answer.

Providers' keys are there already, so they travel no further.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from difflib import get_close_matches
from time import monotonic

from everruns.domain.controls import AnswerControls
from everruns.domain.llm import (
    ModelProfile,
    OfferedModel,
    Provider,
    ProviderAccount,
    ProviderTested,
    find_named,
)
from everruns.domain.messages import Message, TextPart
from everruns.errors import EverrunsError
from everruns.ids import format_time, new_id, now_ms
from everruns.providers.base import Driver, ModelAnswer, ModelRequest
from everruns.providers.connections import Connections
from everruns.providers.local import LocalModel, with_address
from everruns.providers.model_lists import ListedModel
from everruns.providers.prices import Prices
from everruns.providers.proxies import Proxies
from everruns.providers.registry import address_of, open_driver
from everruns.registry.places import Places
from everruns.settings import Settings
from everruns.turn_failures import (
    ModelFailure,
    NoModel,
    ProviderRejected,
    ProviderTimedOut,
    ProviderUnavailable,
)

AT_ONCE = 4
LIST_TIMEOUT_S = 5.0
TEST_TIMEOUT_S = 20.0
SILENCE_S = 15.0
# The fewest that the Responses API accepts.
TEST_OUTPUT_TOKENS = 16
OUT_OF_ROOM = "max_tokens or model output limit was reached"
TEST_PROMPT = "Reply with the word OK."
NEAR_NAMES = 5


@dataclass(frozen=True)
class Listing:
    """What a provider answered when it was asked for its models.

    Attributes:
        models: Its chat models in its order.
        error: Why it could not be asked, in words.
    """

    models: Sequence[ListedModel] = ()
    error: str | None = None


class Inquiries:
    """Asks providers, at most ``AT_ONCE`` at a time.

    Args:
        proxies: Chooses the proxy of a provider's server.
        local_model: Starts the local model if necessary, if there is one.
    """

    def __init__(
        self, proxies: Proxies | None = None, local_model: LocalModel | None = None
    ) -> None:
        self._connections = Connections(proxies)
        self._local_model = local_model
        self._places = Places(AT_ONCE, "providers")
        self._prices = Prices()

    @classmethod
    def of(cls, settings: Settings, local_model: LocalModel | None) -> "Inquiries":
        """Return the inquiries of a deployment."""
        proxies = Proxies(settings.model_proxy, settings.model_proxy_exceptions)
        return cls(proxies, local_model)

    def place(self, wait_s: float = 0) -> AbstractAsyncContextManager[None]:
        """Take one of the places for asking a provider; see ``Places.take``."""
        return self._places.take(wait_s)

    async def list_models(self, account: ProviderAccount) -> Listing:
        """Ask a provider for its models, for at most ``LIST_TIMEOUT_S``."""
        try:
            async with asyncio.timeout(LIST_TIMEOUT_S):
                driver = await self._driver(account)
                return Listing(await driver.list_models())
        except TimeoutError:
            return Listing(
                error=f"Provider {account.provider.name} did not list its models in "
                f"{LIST_TIMEOUT_S:g} s. Check its base_url, then sync its models or list them."
            )
        except EverrunsError as failure:
            return Listing(error=failure.message)

    async def profiles(self, provider: Provider, names: Sequence[str]) -> dict[str, ModelProfile]:
        """Return the published prices and context windows of a provider's models, by name."""
        address = address_of(provider)
        return await self._prices.find(address, names) if address else {}

    async def test(self, account: ProviderAccount, wanted: str | None) -> ProviderTested:
        """Make one small call of a model, for at most ``TEST_TIMEOUT_S``.

        Args:
            account: The provider, with its key.
            wanted: Id or name of the model; ``None`` for the provider's first.
        """
        provider = account.provider
        model = _model(provider, wanted)
        started = monotonic()
        failure: EverrunsError | None = None
        try:
            if model is None:
                raise NoModel(_no_model(provider))
            async with asyncio.timeout(TEST_TIMEOUT_S):
                await _ask(await self._driver(account), model)
        except TimeoutError:
            failure = ProviderTimedOut(
                f"Provider {provider.name} did not answer in {TEST_TIMEOUT_S:g} s. Check its "
                "base_url; a model that is being loaded may need longer."
            )
        except EverrunsError as error:
            # OpenAI refuses an answer that its limit leaves no room for; the model did answer.
            failure = None if OUT_OF_ROOM in error.message else error
        duration_ms = round((monotonic() - started) * 1000)
        message = f"{model.model_id if model else ''} answered in {duration_ms} ms."
        if failure is not None:
            message = failure.message
            if model is not None and isinstance(failure, ProviderRejected):
                message = await self._explained(account, model, failure)
        return ProviderTested(
            ok=failure is None,
            model=model.model_id if model else wanted,
            duration_ms=duration_ms,
            code=failure.code if failure else None,
            message=message,
        )

    async def _explained(
        self, account: ProviderAccount, model: OfferedModel, failure: ModelFailure
    ) -> str:
        """Return why a call was refused, with what the provider's list says about it."""
        listing = await self.list_models(account)
        names = [listed.model_id for listed in listing.models]
        base_url = account.provider.base_url
        if not names:
            if base_url is None or listing.error is None:
                return failure.message
            return (
                f"{failure.message} The provider lists no models under {base_url} either, so the "
                "address may be wrong: most base_urls end in /v1."
            )
        if model.model_id in names:
            return failure.message
        near = get_close_matches(model.model_id, names, NEAR_NAMES, cutoff=0.5)
        shown = ", ".join(near or names[:NEAR_NAMES])
        return (
            f"{failure.message} The provider does not list {model.model_id!r}. "
            f"{'Near names' if near else 'Some'} that it lists: {shown}."
        )

    async def _driver(self, account: ProviderAccount) -> Driver:
        account = await with_address(account, self._local_model)
        return open_driver(account, self._connections, silence_s=SILENCE_S)

    async def close(self) -> None:
        """Close the connections, and end the look-up of prices."""
        self._prices.close()
        await self._connections.close()


async def _ask(driver: Driver, model: OfferedModel) -> None:
    """Call a model once, to the end of its answer.

    Raises:
        ModelFailure: The call failed.
    """
    request = ModelRequest(
        model=model,
        system_prompt="",
        messages=[
            Message(
                id=new_id("message"),
                session_id=new_id("session"),
                role="user",
                content=[TextPart(text=TEST_PROMPT)],
                created_at=format_time(now_ms()),
            )
        ],
        controls=AnswerControls(max_output_tokens=TEST_OUTPUT_TOKENS),
    )
    has_answered = False
    async with aclosing(driver.stream(request)) as chunks:
        async for chunk in chunks:
            has_answered = isinstance(chunk, ModelAnswer)
    if not has_answered:
        raise ProviderUnavailable("The provider's answer stopped without an end. Try again.")


def _model(provider: Provider, wanted: str | None) -> OfferedModel | None:
    """Return the model to call; one that the provider does not offer is called all the same."""
    if wanted is None:
        return next((model for model in provider.models if model.enabled), None)
    if offered := find_named(provider, wanted):
        return offered
    return OfferedModel(
        id=new_id("model"),
        provider_id=provider.id,
        provider_name=provider.name,
        provider_type=provider.provider_type,
        model_id=wanted,
        display_name=wanted,
        created_at=provider.updated_at,
        updated_at=provider.updated_at,
    )


def _no_model(provider: Provider) -> str:
    reason = f" {provider.models_error}" if provider.models_error else ""
    return (
        f"Provider {provider.name} offers no model.{reason} Name one in model, list some in the "
        "provider's models, or sync its models."
    )
