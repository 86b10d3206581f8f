"""Which options for answers a model takes.

An option that a model would refuse or ignore is refused here, in words that name both. A model
that is not in the catalogue takes every option that its API has: nobody here knows more about it.

Source: https://platform.openai.com/docs/api-reference/chat/create and
https://platform.claude.com/docs/en/build-with-claude/extended-thinking.
"""

from everruns.domain.controls import NO_CONTROLS, AnswerControls
from everruns.domain.llm import OfferedModel, Provider
from everruns.errors import InvalidRequest
from everruns.providers.anthropic_request import BUDGETS
from everruns.providers.catalogue import profile_of
from everruns.providers.dialects import DIALECTS, dialect_at
from everruns.providers.registry import api_for

OPENAI_TYPES = frozenset({"openai", "azure_openai"})
COMPLETIONS_TYPES = OPENAI_TYPES | {"local"}
MAX_OPENAI_STOPS = 4
LEAST_TOP_P_WITH_THINKING = 0.95


def check_controls(provider: Provider, model: OfferedModel, controls: AnswerControls) -> None:
    """Check that a model takes these options.

    Args:
        provider: The model's provider.
        model: The model.
        controls: The options that count for it (see ``effective_controls``).

    Raises:
        InvalidRequest: It does not take one of them. The message names the model and the option.
    """
    if controls == NO_CONTROLS:
        return
    if refused := [name for name in refused_controls(provider, model) if _is_given(controls, name)]:
        them = "it" if len(refused) == 1 else "them"
        problem = f"takes no {' and no '.join(refused)}. Leave {them} out"
    else:
        problem = _bad_value(provider, model, controls)
    if problem:
        raise InvalidRequest(f"Model {model.qualified_name} {problem}, or choose another model.")


def refused_controls(provider: Provider, model: OfferedModel) -> list[str]:
    """Return the options that a model does not take, by name, sorted."""
    return sorted(_missing_in_api(provider, model) | _refused_by_model(provider, model))


def _missing_in_api(provider: Provider, model: OfferedModel) -> set[str]:
    """Return the options for which the API by which a provider is asked has no field."""
    if provider.provider_type == "anthropic":
        return {"seed"}
    if provider.provider_type not in COMPLETIONS_TYPES:
        return set()
    if api_for(provider, model.model_id) == "responses":
        return {"seed", "stop"}
    if provider.base_url:
        dialect = DIALECTS[dialect_at(provider.base_url)]
        return {"seed"} if dialect.seed is None else set()
    return set()


def _refused_by_model(provider: Provider, model: OfferedModel) -> set[str]:
    profile = profile_of(provider.provider_type, model.model_id)
    if profile is None:
        return set()
    refused: set[str] = set()
    if not profile.reasoning:
        refused.add("reasoning")
    elif provider.provider_type in OPENAI_TYPES:
        refused.add("stop")
    if not profile.temperature:
        refused |= {"temperature", "top_p"}
    return refused


def _is_given(controls: AnswerControls, name: str) -> bool:
    if name == "reasoning":
        # A model that never reasons does what this asks.
        return controls.reasoning is not None and controls.reasoning.effort not in {None, "none"}
    return getattr(controls, name) is not None


def _bad_value(provider: Provider, model: OfferedModel, controls: AnswerControls) -> str | None:
    """Return what is wrong with the value of an option that a model takes, if anything."""
    limits = model.profile.limits if model.profile else None
    wanted = controls.max_output_tokens
    if wanted and limits and wanted > limits.output:
        return f"writes at most {limits.output} tokens, and max_output_tokens is {wanted}. Lower it"
    if profile_of(provider.provider_type, model.model_id) is None:
        return None
    if provider.provider_type in OPENAI_TYPES and len(controls.stop or ()) > MAX_OPENAI_STOPS:
        return f"takes at most {MAX_OPENAI_STOPS} stop sequences. Leave some out"
    if provider.provider_type == "anthropic":
        return _bad_for_claude(controls)
    return None


def _bad_for_claude(controls: AnswerControls) -> str | None:
    temperature, top_p = controls.temperature, controls.top_p
    thinks = controls.reasoning is not None and controls.reasoning.effort in BUDGETS
    problems = {
        "takes a temperature of at most 1. Lower it": temperature is not None and temperature > 1,
        "takes temperature or top_p, but not both. Leave one of them out": None
        not in (temperature, top_p),
        "takes no stop sequence that is only white space. Leave it out": any(
            not text.strip() for text in controls.stop or ()
        ),
        "takes no temperature but 1 while it reasons. Leave out temperature or reasoning": thinks
        and temperature not in {None, 1},
        f"takes no top_p below {LEAST_TOP_P_WITH_THINKING} while it reasons. Raise it": thinks
        and (top_p or 1) < LEAST_TOP_P_WITH_THINKING,
    }
    return next((problem for problem, holds in problems.items() if holds), None)
