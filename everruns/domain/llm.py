"""Providers (accounts with a key), the models they offer, and which model answers.

Source: docs/contract.md, "Resources", Provider and Model.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr

from everruns.domain.base import Flag, Model, Number, max_bytes
from everruns.domain.forms import BASE_URL, WITHOUT_SLASH
from everruns.domain.headers import Headers

ProviderType = Literal["openai", "anthropic", "azure_openai", "simulated", "local"]
ProviderStatus = Literal["active", "disabled"]
BaseUrl = Annotated[str, Field(max_length=2048, pattern=BASE_URL)]
ProviderName = Annotated[str, Field(min_length=1, pattern=WITHOUT_SLASH), max_bytes(256)]


MAX_OFFERED_MODELS = 200
MAX_PRICE_USD = 100_000.0
MAX_TOKENS = 1_000_000_000

Price = Annotated[float, Field(ge=0, le=MAX_PRICE_USD, allow_inf_nan=False), Number]
Tokens = Annotated[int, Field(ge=1, le=MAX_TOKENS), Number]


class ModelCost(Model):
    """US dollars per million tokens.

    Without ``cache_read``, what is read from the provider's cache costs the same as input; without
    ``cache_write``, what is written to it costs a quarter more.
    """

    input: Price
    output: Price
    cache_read: Price | None = None
    cache_write: Price | None = None


class ModelLimits(Model):
    """Tokens that a model can read and write, as far as known."""

    context: Tokens | None = None
    output: Tokens | None = None


class ModelProfile(Model):
    """The facts about a model, from the first source that has them (docs/providers.md).

    An ability that is ``None`` is unknown.
    """

    name: str
    family: str | None = None
    attachment: bool | None = False
    reasoning: bool | None = False
    tool_call: bool | None = False
    structured_output: bool | None = False
    temperature: bool = True
    open_weights: bool = False
    cost: ModelCost | None = None
    limits: ModelLimits | None = None

    @classmethod
    def unknown(cls, name: str) -> "ModelProfile":
        """Return the profile of a model of which only the name is known."""
        return cls(
            name=name, attachment=None, reasoning=None, tool_call=None, structured_output=None
        )


class GivenFacts(Model):
    """What a client has said about a model; it wins over every other source."""

    display_name: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    cost: ModelCost | None = None
    limits: ModelLimits | None = None


class ModelInput(GivenFacts):
    """A model to offer, by the name its provider uses."""

    model_id: Annotated[str, Field(min_length=1, max_length=256)]

    @property
    def given(self) -> GivenFacts:
        """What is said about the model besides its name."""
        return GivenFacts(display_name=self.display_name, cost=self.cost, limits=self.limits)


class OfferedModel(Model):
    """A model of a provider. ``id`` is ours, ``model_id`` is the provider's name for it.

    ``is_default`` is decided when it is read (see ``with_default_marked``).
    ``source`` is ``discovered`` if the provider's list named it, ``predefined`` if the catalogue
    knows it, otherwise ``manual``. ``given`` is there if a client listed the model.
    """

    id: str
    provider_id: str
    provider_name: str
    provider_type: ProviderType
    model_id: str
    display_name: str
    capabilities: list[str] = Field(default_factory=list)
    source: Literal["manual", "discovered", "predefined"] = "predefined"
    enabled: bool = True
    healthy: bool = True
    is_favorite: bool = False
    is_default: bool = False
    profile: ModelProfile | None = None
    given: GivenFacts | None = None
    created_at: str
    updated_at: str

    @property
    def was_listed_by_client(self) -> bool:
        """Whether somebody chose to offer this model; older databases do not have ``given``."""
        return self.source != "discovered" and (self.source == "manual" or self.given is not None)

    @property
    def qualified_name(self) -> str:
        """``<provider name>/<model name>``, the form that people write."""
        return f"{self.provider_name}/{self.model_id}"


class ProviderFields(Model):
    """The fields of a provider that a client sets, besides its name and type.

    ``models`` lists the models to offer; without it the provider's own list or the catalogue
    decides. The first is the default. ``headers`` go with every request to the provider; their
    values are secrets like the key.
    """

    base_url: BaseUrl | None = None
    api_key: Annotated[SecretStr, Field(min_length=1, max_length=4096)] | None = None
    headers: Headers | None = None
    is_default: Flag = False
    status: ProviderStatus = "active"
    settings: dict[str, Any] = Field(default_factory=dict)
    models: Annotated[list[ModelInput], Field(max_length=MAX_OFFERED_MODELS)] = Field(
        default_factory=list[ModelInput]
    )


class ProviderInput(ProviderFields):
    """Adds a provider."""

    name: ProviderName
    provider_type: ProviderType


class ProviderPatch(ProviderFields):
    """The fields of a provider to change; absent fields stay as they are."""

    name: ProviderName = "-"


class Provider(Model):
    """A stored provider. It contains neither the API key nor the values of its headers.

    ``headers`` are their names. ``models_error`` says why the provider's list of models could not
    be read, until it can be.
    """

    id: str
    name: str
    provider_type: ProviderType
    base_url: str | None = None
    api_key_set: bool = False
    headers: list[str] = Field(default_factory=list)
    is_default: bool = False
    status: ProviderStatus = "active"
    settings: dict[str, Any] = Field(default_factory=dict)
    models: list[OfferedModel] = Field(default_factory=list[OfferedModel])
    models_error: str | None = None
    created_at: str
    updated_at: str


class ProviderAccount(Model):
    """A provider together with its API key and its headers; only for drivers."""

    provider: Provider
    api_key: SecretStr | None = None
    headers: dict[str, SecretStr] = Field(default_factory=dict[str, SecretStr])


class SyncedModels(Model):
    """What came of asking a provider for its models again.

    ``created``, ``updated`` and ``stale`` count the models that were added, kept and dropped.
    """

    status: Literal["success", "failed"]
    created: int = 0
    updated: int = 0
    stale: int = 0
    message: str
    models: list[OfferedModel]


class ProviderTest(Model):
    """Asks for a small call of a provider's model."""

    model: Annotated[str, Field(min_length=1, max_length=600)] | None = Field(
        default=None,
        description="Id or name of the model to call; by default the provider's default model.",
    )


class ProviderTested(Model):
    """What came of a small call of a provider's model."""

    ok: bool
    model: str | None = None
    duration_ms: int
    code: str | None = None
    message: str


def find_named(provider: Provider, name: str) -> OfferedModel | None:
    """Find a provider's model by its id, its qualified name or the provider's name for it."""
    return next(
        (
            model
            for model in provider.models
            if name in {model.id, model.qualified_name, model.model_id}
        ),
        None,
    )


def find_model(providers: Sequence[Provider], name: str) -> OfferedModel | None:
    """Find a model by its id or its qualified name among the active providers."""
    for provider in providers:
        if provider.status == "active":
            for model in provider.models:
                if model.enabled and name in {model.id, model.qualified_name}:
                    return model
    return None


def default_model(providers: Sequence[Provider]) -> OfferedModel | None:
    """Return the default provider's default model: its first enabled one."""
    for provider in providers:
        if provider.is_default and provider.status == "active":
            return _first_enabled(provider)
    return None


def with_default_marked(provider: Provider) -> Provider:
    """Return a provider one of whose models says that it is the default, if it is.

    Of all models, at most one is: the one that answers where nobody names a model.
    """
    default = default_model([provider])
    models = [
        model
        if model.is_default == (model is default)
        else model.model_copy(update={"is_default": model is default})
        for model in provider.models
    ]
    return provider.model_copy(update={"models": models})


def _first_enabled(provider: Provider) -> OfferedModel | None:
    return next((model for model in provider.models if model.enabled), None)


def resolve_model(
    providers: Sequence[Provider], wishes: Sequence[str | None]
) -> tuple[OfferedModel | None, str | None]:
    """Choose the model that answers.

    Args:
        providers: All providers.
        wishes: Names in order of precedence: the message's, the session's, the agent's.

    Returns:
        The model and ``None``; or ``None`` and the name that no provider offers (``None`` when
        no name was given and there is no default).
    """
    for wish in wishes:
        if wish is not None:
            return find_model(providers, wish), wish
    return default_model(providers), None
