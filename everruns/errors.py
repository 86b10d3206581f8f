"""Every failure the product can report, as one tree of values; those of turns in ``turn_failures``.

Each class documents one cause and owns its stable ``code``, the word a client sees on the wire.
HTTP statuses live in ``everruns.api.http.errors`` alone, found there by a class's ancestry. Errors
travel between processes as the name of their class and these fields: message, code, retry_after_s.
"""

from collections.abc import Iterator


class EverrunsError(Exception):
    """An unexpected fault; the log has the details. The base of all errors.

    Args:
        message: One sentence for the user that says what to do. Never holds a secret.
        code: Replaces the class's code where one class serves several named causes.
        retry_after_s: Seconds after which the same request may succeed, if known.
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
    """The request is invalid; the message names the field and the reason."""

    code = "INVALID_REQUEST"


class InvalidId(InvalidRequest):
    """A path id is malformed."""

    code = "INVALID_ID"


class InvalidJson(InvalidRequest):
    """The body is not JSON that this server accepts; the message says where and why."""

    code = "INVALID_JSON"


class InvalidCursor(InvalidRequest):
    """A cursor, such as ``since_id``, is not a position in the session's log."""

    code = "INVALID_CURSOR"


class UnknownCapability(InvalidRequest):
    """An agent or session names a capability that does not exist or is not available."""

    code = "UNKNOWN_CAPABILITY"


class UnknownModel(InvalidRequest):
    """A request names a model that no provider offers."""

    code = "UNKNOWN_MODEL"

    @classmethod
    def of(cls, model: str) -> "UnknownModel":
        """Return the error that says where the offered models are listed."""
        return cls(
            f"No active provider offers the model {model!r}. GET /v1/models lists those that are "
            "offered."
        )


class UnknownCall(InvalidRequest):
    """Input names a call that does not wait for it; the message names those that do."""

    code = "UNKNOWN_CALL"


class CredentialsRequired(InvalidRequest):
    """A new address of a provider or an MCP server requires its key and headers again."""

    code = "CREDENTIALS_REQUIRED"


class InvalidFile(InvalidRequest):
    """A file's path, its content or a search pattern breaks a rule of the workspace or message."""

    code = "INVALID_FILE"


class InvalidQuery(InvalidRequest):
    """A query in SQL is not allowed or is wrong; the message says why."""

    code = "INVALID_QUERY"


class QueryTooExpensive(InvalidRequest):
    """A query takes too long or too much memory."""

    code = "QUERY_TOO_EXPENSIVE"


class Unauthorized(EverrunsError):
    """The request has no API key or access token where one is required, or an invalid one."""

    code = "UNAUTHORIZED"


class TokenExpired(Unauthorized):
    """The access token has expired; the client needs a new one."""

    code = "TOKEN_EXPIRED"


class Forbidden(EverrunsError):
    """The request's API key or access token does not have the right that the request needs."""

    code = "FORBIDDEN"


class HostNotAllowed(Forbidden):
    """The ``Host`` header is not one of this server's hosts; see the setting ``allowed_hosts``."""

    code = "HOST_NOT_ALLOWED"


class OriginNotAllowed(Forbidden):
    """The request comes from a web page whose origin is not in the setting ``allowed_origins``."""

    code = "ORIGIN_NOT_ALLOWED"


class MayNotDecide(Forbidden):
    """An end user decides about a held call that an operator decides about."""

    code = "MAY_NOT_DECIDE"


class NotFound(EverrunsError):
    """Nothing has this id or path."""

    code = "NOT_FOUND"


class McpServerNotFound(NotFound):
    """No MCP server has this id."""

    code = "MCP_SERVER_NOT_FOUND"


class McpAuthorizationNotFound(NotFound):
    """An MCP server has no authorization with this id."""

    code = "MCP_AUTHORIZATION_NOT_FOUND"


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
    """No workspace has this id, or the workspace cannot be shared."""

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
    """The path exists but does not support this method."""

    code = "METHOD_NOT_ALLOWED"


class Conflict(EverrunsError):
    """The request is valid but conflicts with the state of the resource."""

    code = "CONFLICT"


class IdempotencyKeyReused(Conflict):
    """An ``Idempotency-Key`` was reused with a different body."""

    code = "IDEMPOTENCY_KEY_REUSED"


class ProviderNameTaken(Conflict):
    """Another provider has this name; models are addressed by it."""

    code = "PROVIDER_NAME_TAKEN"


class McpServerNameTaken(Conflict):
    """Another MCP server of the catalogue or the configuration has this name."""

    code = "MCP_SERVER_NAME_TAKEN"


class SequenceConflict(Conflict):
    """Another host appended to the session's log first: the caller no longer owns the session."""

    code = "SEQUENCE_CONFLICT"


class PlacedElsewhere(Conflict):
    """The session is placed on a different host from the one called."""

    code = "PLACED_ELSEWHERE"
    retryable = True


class NotWaiting(Conflict):
    """The session is not waiting for this input yet; the same request may succeed later."""

    code = "NOT_WAITING_FOR_TOOL_RESULTS"


class CallClosed(Conflict):
    """The call takes no more input: its time or its turn is over, or a message superseded it."""

    code = "CALL_CLOSED"


class SessionTooLarge(Conflict):
    """The session's log has reached its size limit; the session accepts no more messages."""

    code = "SESSION_TOO_LARGE"


class PreconditionFailed(EverrunsError):
    """What is to be changed is no longer what ``If-Match`` or ``If-None-Match`` says."""

    code = "PRECONDITION_FAILED"


class TooLarge(EverrunsError):
    """The body or a part of it is over its size limit."""

    code = "PAYLOAD_TOO_LARGE"


class RequestTimedOut(EverrunsError):
    """The request's body did not arrive in time. Nothing was done."""

    code = "REQUEST_TIMEOUT"


class Overloaded(EverrunsError):
    """A bounded queue is full; retry the same request shortly."""

    code = "TOO_MANY_REQUESTS"
    retryable = True


class Unavailable(EverrunsError):
    """Something that the request needs is temporarily unavailable. Nothing was done."""

    code = "UNAVAILABLE"
    retryable = True


class CapacityExhausted(Unavailable):
    """Every session actor holds its maximum number of live sessions."""

    code = "CAPACITY_EXHAUSTED"


class HostLost(Unavailable):
    """A part of the cluster is being restarted; the outcome is unknown."""

    code = "HOST_LOST"


class RegistryReplaced(HostLost):
    """Another registry has taken over, and this one hands out no session any more."""

    code = "REGISTRY_REPLACED"


class StoreUnavailable(Unavailable):
    """The database did not answer or refused the write. Nothing was stored."""

    code = "STORE_UNAVAILABLE"


class SecretsUnreadable(StoreUnavailable):
    """A stored secret was encrypted with another key; no retry helps."""

    code = "SECRETS_UNREADABLE"
    retryable = False


class McpServerUnavailable(Unavailable):
    """An MCP server does not answer, or does not speak the protocol."""

    code = "MCP_SERVER_UNAVAILABLE"


class SessionUnreadable(EverrunsError):
    """The session's log is damaged; the session accepts no more requests that change it."""

    code = "SESSION_UNREADABLE"

    @classmethod
    def of(cls, session_id: str) -> "SessionUnreadable":
        """Return the error that says what can still be done with the session."""
        return cls(
            f"Session {session_id} cannot be read: its log is damaged. Its events can still be "
            "listed and exported, and it can be deleted. Continue in a new session."
        )


class StoreOverloaded(StoreUnavailable):
    """Too many calls are waiting for the database. Nothing was stored."""

    code = "STORE_OVERLOADED"


class NotImplementedHere(EverrunsError):
    """The route or field belongs to the wider Everruns API; this server does not offer it."""

    code = "NOT_IMPLEMENTED"


def error_classes(root: type[EverrunsError] = EverrunsError) -> Iterator[type[EverrunsError]]:
    """Yield an error class and its subclasses that belong to the product, each once.

    Libraries create subclasses at run time, as Ray does for errors raised in actors.
    """
    if root.__module__.startswith("everruns."):
        yield root
        for child in root.__subclasses__():
            yield from error_classes(child)
