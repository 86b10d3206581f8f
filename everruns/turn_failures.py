"""Why a turn failed: what ``session.failed`` reports.

One branch of the tree in ``everruns.errors``.
"""

from everruns.errors import EverrunsError


class TurnFailure(EverrunsError):
    """The turn failed (``session.failed``); the session stays usable."""

    code = "TURN_FAILED"


class MaxIterations(TurnFailure):
    """The turn reached its agent's limit of model calls."""

    code = "MAX_ITERATIONS"


class BudgetExhausted(TurnFailure):
    """A budget of the session or its agent is exhausted."""

    code = "BUDGET_EXHAUSTED"


class BudgetPaused(TurnFailure):
    """A budget of the session or its agent is paused."""

    code = "BUDGET_PAUSED"


class BudgetUnpriced(TurnFailure):
    """A budget is in dollars, but the model's price is unknown."""

    code = "BUDGET_UNPRICED"


class OutputInvalid(TurnFailure):
    """The model's answers, corrections included, are not what ``output_schema`` describes."""

    code = "OUTPUT_INVALID"


class LoopDetected(TurnFailure):
    """The model made the same calls again and again, and they showed nothing new."""

    code = "LOOP_DETECTED"


class TurnCrashed(TurnFailure):
    """The turn crashed its process several times in a row without making progress."""

    code = "TURN_CRASHED"


class NoModel(TurnFailure):
    """Neither the message, the session nor the agent names a model, and there is no default."""

    code = "NO_MODEL"


class ModelFailure(TurnFailure):
    """The provider's answer made no sense, was empty or was longer than the limit.

    The base of all failures of model calls.

    Attributes:
        reason: What the provider said, masked; not sent between processes.
    """

    code = "PROVIDER_ERROR"
    reason = ""


class ProviderUnavailable(ModelFailure):
    """The provider was unreachable, dropped the connection, timed out or answered 5xx."""

    code = "PROVIDER_UNAVAILABLE"
    retryable = True


class ProviderTimedOut(ModelFailure):
    """The model's answer, retries included, took longer than ``model_call_timeout_s``."""

    code = "PROVIDER_TIMEOUT"


class ProviderRateLimited(ModelFailure):
    """The provider answered 429; ``retry_after_s`` is the delay it asked for."""

    code = "PROVIDER_RATE_LIMITED"
    retryable = True


class ProviderUnauthorized(ModelFailure):
    """The provider refused the API key, or none is set."""

    code = "PROVIDER_UNAUTHORIZED"


class ProviderRejected(ModelFailure):
    """The provider rejected the request as invalid; a retry cannot succeed."""

    code = "PROVIDER_REJECTED"


class ContextTooLong(ModelFailure):
    """The conversation exceeds the model's context window."""

    code = "CONTEXT_TOO_LONG"
