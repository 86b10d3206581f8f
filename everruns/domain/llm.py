"""Providers (accounts with a key), the models they offer, and which model answers.

Source: docs/contract.md, "Resources", Provider and Model.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr

from everruns.domain.base import Flag, Model, max_bytes

ProviderType = Literal["openai", "anthropic", "azure_openai", "simulated", "local"]
ProviderStatus = Literal["active", "disabled"]
BaseUrl = Annotated[str, Field(max_length=2048, pattern=r"^https?://[^\s/?#]+[^\s?#]*$")]
ProviderName = Annotated[str, Field(min_length=1, pattern=r"^[^/]+$"), max_bytes(256)]


class ModelCost(Model):
    """US dollars per million tokens."""

    input: float
    output: float
    cache_read: float | None = None


class ModelLimits(Model):
    """Tokens that a model can read and write."""

    context: int
    output: int


class ModelProfile(Model):
    """The catalogue's facts about a model."""

    name: str
    family: str
    attachment: bool = False
    reasoning: bool = False
    tool_call: bool = False
    structured_output: bool = False
    temperature: bool = True
    open_weights: bool = False
    cost: ModelCost | None = None
    limits: ModelLimits | None = None


class ModelInput(Model):
    """A model to offer, by the name its provider uses."""

    model_id: Annotated[str, Field(min_length=1, max_length=256)]
    display_name: Annotated[str, Field(min_length=1, max_length=256)] | None = None


class OfferedModel(Model):
    """A model of a provider. ``id`` is ours, ``model_id`` is the provider's name for it."""

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
    created_at: str
    updated_at: str

    @property
    def qualified_name(self) -> str:
        """``<provider name>/<model name>``, the form that people write."""
        return f"{self.provider_name}/{self.model_id}"


class ProviderFields(Model):
    """The fields of a provider that a client sets, besides its name and type.

    ``models`` lists the models to offer; without it the catalogue decides. The first is the
    default.
    """

    base_url: BaseUrl | None = None
    api_key: Annotated[SecretStr, Field(min_length=1, max_length=4096)] | None = None
    is_default: Flag = False
    status: ProviderStatus = "active"
    settings: dict[str, Any] = Field(default_factory=dict)
    models: Annotated[list[ModelInput], Field(max_length=200)] = Field(
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
    """A stored provider. It never contains the API key, only whether one is set."""

    id: str
    name: str
    provider_type: ProviderType
    base_url: str | None = None
    api_key_set: bool = False
    is_default: bool = False
    status: ProviderStatus = "active"
    settings: dict[str, Any] = Field(default_factory=dict)
    models: list[OfferedModel] = Field(default_factory=list[OfferedModel])
    created_at: str
    updated_at: str


class ProviderAccount(Model):
    """A provider together with its API key; only for drivers."""

    provider: Provider
    api_key: SecretStr | None = None


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
            return next((model for model in provider.models if model.enabled), None)
    return None


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
