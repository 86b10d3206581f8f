"""Every failure the product can report, as one tree of values.

Each class documents one cause and owns its stable ``code``, the word a client sees on the wire.
HTTP statuses live in ``everruns.api.errors`` alone, found there by a class's ancestry. Errors
travel between actors, so their constructor arguments are positional and picklable.
"""


class EverrunsError(Exception):
    """Base of all errors; raised itself only for faults nobody foresaw.

    Args:
        message: One sentence for the user that says what to do. Never holds a secret.
        code: Replaces the class's code where one class serves several named causes.
        retry_after_s: Seconds after which the same request may succeed, if that is known.
    """

    code = "INTERNAL_ERROR"
    retryable = False

    def __init__(
        self, message: str, code: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, code, retry_after_s)
        self.message = message
        self.code = code or type(self).code
        self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return self.message


class InvalidRequest(EverrunsError):
    """The request itself is wrong: the message names the field and the reason."""

    code = "INVALID_REQUEST"


class InvalidId(InvalidRequest):
    """An id in a path has not the form of an id."""

    code = "INVALID_ID"


class InvalidJson(InvalidRequest):
    """A body is no JSON that this server takes; the message says where and why."""

    code = "INVALID_JSON"


class InvalidCursor(InvalidRequest):
    """``since_id``, ``after_sequence`` or a like parameter names no place in a session's log."""

    code = "INVALID_CURSOR"


class UnknownCapability(InvalidRequest):
    """An agent or session names a capability that does not exist or is not available."""

    code = "UNKNOWN_CAPABILITY"


class UnknownModel(InvalidRequest):
    """A request names a model that no provider offers."""

    code = "UNKNOWN_MODEL"


class InvalidFile(InvalidRequest):
    """A path, content or search pattern of a file breaks the rules of workspaces."""

    code = "INVALID_FILE"


class Unauthorized(EverrunsError):
    """The deployment wants an API key and the request brought none, or a wrong one."""

    code = "UNAUTHORIZED"


class Forbidden(EverrunsError):
    """The request is understood and refused, whoever sends it. Subclasses say why."""

    code = "FORBIDDEN"


class HostNotAllowed(Forbidden):
    """The ``Host`` header names none of this server's hosts; see the setting ``allowed_hosts``."""

    code = "HOST_NOT_ALLOWED"


class OriginNotAllowed(Forbidden):
    """A page of an origin that is not in the setting ``allowed_origins`` sent the request."""

    code = "ORIGIN_NOT_ALLOWED"


class NotFound(EverrunsError):
    """Nothing is there under this address. Subclasses say what was looked for."""

    code = "NOT_FOUND"


class AgentNotFound(NotFound):
    """No active agent has this id."""

    code = "AGENT_NOT_FOUND"


class SessionNotFound(NotFound):
    """No session has this id, or it was deleted."""

    code = "SESSION_NOT_FOUND"


class ProviderNotFound(NotFound):
    """No provider has this id."""

    code = "PROVIDER_NOT_FOUND"


class ModelNotFound(NotFound):
    """No model has this id."""

    code = "MODEL_NOT_FOUND"


class CapabilityNotFound(NotFound):
    """No capability has this id."""

    code = "CAPABILITY_NOT_FOUND"


class HarnessNotFound(NotFound):
    """No harness has this id."""

    code = "HARNESS_NOT_FOUND"


class WorkspaceNotFound(NotFound):
    """No workspace has this id, or none that can be shared."""

    code = "WORKSPACE_NOT_FOUND"


class BudgetNotFound(NotFound):
    """No budget has this id."""

    code = "BUDGET_NOT_FOUND"


class FileNotFound(NotFound):
    """A workspace has no file or directory at this path."""

    code = "FILE_NOT_FOUND"


class RouteNotFound(NotFound):
    """No route has this path."""

    code = "ROUTE_NOT_FOUND"


class MethodNotAllowed(EverrunsError):
    """The path exists, but not with this method."""

    code = "METHOD_NOT_ALLOWED"


class Conflict(EverrunsError):
    """The request was valid but the state of the resource refuses it."""

    code = "CONFLICT"


class IdempotencyKeyReused(Conflict):
    """An ``Idempotency-Key`` came again with another body."""

    code = "IDEMPOTENCY_KEY_REUSED"


class ProviderNameTaken(Conflict):
    """Another provider has this name, by which its models are addressed."""

    code = "PROVIDER_NAME_TAKEN"


class SequenceConflict(Conflict):
    """Someone else appended to the session's log first: the caller no longer owns the session."""

    code = "SEQUENCE_CONFLICT"


class PlacedElsewhere(Conflict):
    """The session is placed on another host than the one that was asked."""

    code = "PLACED_ELSEWHERE"
    retryable = True


class NotWaiting(Conflict):
    """Nobody is asked for the results that came: the turn runs, has ended, or never asked."""

    code = "NOT_WAITING_FOR_TOOL_RESULTS"


class SessionTooLarge(Conflict):
    """The log of a session has as many bytes as it may: it takes no more messages."""

    code = "SESSION_TOO_LARGE"


class TooLarge(EverrunsError):
    """A body or a part of it is over its limit."""

    code = "PAYLOAD_TOO_LARGE"


class RequestTimedOut(EverrunsError):
    """A request's body was not there in time. Nothing was done."""

    code = "REQUEST_TIMEOUT"


class Overloaded(EverrunsError):
    """A bounded queue is full; the same request succeeds a little later."""

    code = "TOO_MANY_REQUESTS"
    retryable = True


class Unavailable(EverrunsError):
    """Something the request needs is not there right now. Nothing was done."""

    code = "UNAVAILABLE"
    retryable = True


class CapacityExhausted(Unavailable):
    """Every session actor holds as many live sessions as it may."""

    code = "CAPACITY_EXHAUSTED"


class HostLost(Unavailable):
    """A session host or the registry died or did not answer; whether it acted is unknown."""

    code = "HOST_LOST"


class StoreUnavailable(Unavailable):
    """The database did not answer or refused the write. Nothing was stored."""

    code = "STORE_UNAVAILABLE"


class SessionUnreadable(EverrunsError):
    """A session's log is damaged: nothing can be sent to the session any more."""

    code = "SESSION_UNREADABLE"

    @classmethod
    def of(cls, session_id: str) -> "SessionUnreadable":
        """Return the error that says what can still be done with the session."""
        return cls(
            f"Session {session_id} cannot be read: its log is damaged. Its events can still be "
            "listed and exported, and it can be deleted. Go on in a new session."
        )


class StoreOverloaded(StoreUnavailable):
    """So many calls wait for the database that this one was refused. Nothing was stored."""

    code = "STORE_OVERLOADED"


class NotImplementedHere(EverrunsError):
    """A route of the wider API that this server does not offer."""

    code = "NOT_IMPLEMENTED"


class TurnFailure(EverrunsError):
    """A reason that ends a turn as ``session.failed``; the session stays usable."""

    code = "TURN_FAILED"


class MaxIterations(TurnFailure):
    """The turn made as many model calls as its agent allows."""

    code = "MAX_ITERATIONS"


class BudgetExhausted(TurnFailure):
    """Nothing is left of a budget of the session or its agent."""

    code = "BUDGET_EXHAUSTED"


class BudgetPaused(TurnFailure):
    """A budget of the session or its agent is paused."""

    code = "BUDGET_PAUSED"


class BudgetUnpriced(TurnFailure):
    """A budget is in dollars, but it is not known what the model costs."""

    code = "BUDGET_UNPRICED"


class TurnCrashed(TurnFailure):
    """The turn lost its host several times in a row without storing anything in between."""

    code = "TURN_CRASHED"


class NoModel(TurnFailure):
    """No model is named by message, session or agent, and no default provider offers one."""

    code = "NO_MODEL"


class ModelFailure(TurnFailure):
    """A model call failed. Drivers raise its subclasses, which say why."""

    code = "PROVIDER_ERROR"


class ProviderUnavailable(ModelFailure):
    """The provider cannot be reached, broke off, timed out or answered 5xx."""

    code = "PROVIDER_UNAVAILABLE"
    retryable = True


class ProviderTimedOut(ModelFailure):
    """The model's answer, with all tries, took longer than ``model_call_timeout_s``."""

    code = "PROVIDER_TIMEOUT"


class ProviderRateLimited(ModelFailure):
    """The provider answered 429; ``retry_after_s`` is what it asked for."""

    code = "PROVIDER_RATE_LIMITED"
    retryable = True


class ProviderUnauthorized(ModelFailure):
    """The provider refused the API key, or none is set."""

    code = "PROVIDER_UNAUTHORIZED"


class ProviderRejected(ModelFailure):
    """The provider refused the request as invalid; sending it again cannot help."""

    code = "PROVIDER_REJECTED"


class ContextTooLong(ModelFailure):
    """The conversation is longer than the model's context."""

    code = "CONTEXT_TOO_LONG"
