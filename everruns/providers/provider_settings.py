"""The settings of each type of provider: checked strictly when written, leniently when read."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from everruns.domain.llm import ProviderType
from everruns.errors import InvalidRequest
from everruns.providers.catalogue import Api
from everruns.providers.simulated import SimulatedSettings


class NoSettings(BaseModel):
    """Settings of the provider types that have none."""

    model_config = ConfigDict(frozen=True)


class OpenAISettings(NoSettings):
    """Settings of ``openai`` and ``local``.

    Attributes:
        api: The API by which every model is asked. Without it, the catalogue says so for models at
            OpenAI and Azure, and servers elsewhere are asked by Chat Completions.
    """

    api: Api | None = None


class AzureSettings(OpenAISettings):
    """Settings of ``azure_openai``.

    Attributes:
        api_version: Uses the older API by deployment, e.g. ``2024-10-21``; without it, the
            ``/openai/v1`` API is used.
    """

    api_version: str | None = Field(default=None, pattern=r"^[a-z0-9-]{1,32}$")


_SETTINGS: dict[ProviderType, type[BaseModel]] = {
    "simulated": SimulatedSettings,
    "openai": OpenAISettings,
    "local": OpenAISettings,
    "azure_openai": AzureSettings,
}


def settings_type(provider_type: ProviderType) -> type[BaseModel]:
    """Return the model of a provider type's settings."""
    return _SETTINGS.get(provider_type, NoSettings)


def check_settings(provider_type: ProviderType, settings: Mapping[str, Any]) -> None:
    """Check the settings of a provider before it is stored.

    Raises:
        InvalidRequest: A setting is wrong or unknown. The message names it and the reason.
    """
    known = settings_type(provider_type).model_fields
    for name in settings:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise InvalidRequest(
                f"The provider's settings are not valid. settings.{name[:64]}: providers of type "
                f"{provider_type} have no such setting. {_advice(near, sorted(known))}"
            )
    read_settings(provider_type, settings)


def read_settings(provider_type: ProviderType, settings: Mapping[str, Any]) -> BaseModel:
    """Return the settings of a stored provider; unknown ones are ignored.

    Older versions stored settings that this one does not know.

    Raises:
        InvalidRequest: A setting is wrong. The message names it and the reason.
    """
    kind = settings_type(provider_type)
    known = {name: value for name, value in settings.items() if name in kind.model_fields}
    try:
        return kind.model_validate(known)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, ('settings', *problem['loc'])))}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_context=False)[:5]
        )
        raise InvalidRequest(f"The provider's settings are not valid. {problems}.") from None


def _advice(near: list[str], known: list[str]) -> str:
    if near:
        return f"Did you mean {near[0]}?"
    return f"They have {', '.join(known)}." if known else "They have none."
