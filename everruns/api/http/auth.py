"""Authentication: who sends a request, by its API key or access token.

Where the deployment requires no credential, an access token is checked all the same, so that its
limits hold in development as in production; any other text is ignored.

Source: docs/contract.md, "Who may do what".
"""

from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Receive, Scope, Send

from everruns.api.console import is_console
from everruns.api.docs.pages import is_documentation
from everruns.api.http.key_ring import KeyRing
from everruns.domain.access_tokens import PREFIX, invalid_token, read_token
from everruns.domain.mcp_authorizations import CALLBACK_PATH, CLIENT_PATH
from everruns.domain.rights import ANYBODY, Principal
from everruns.errors import InvalidRequest, Unauthorized
from everruns.ids import now_ms

OPEN_PATHS = ("/health", "/ready", CALLBACK_PATH, CLIENT_PATH)
QUERY_PARAMETER = "token"
_PRINCIPAL = "everruns.principal"
_IS_IN_QUERY = "everruns.credential_is_in_query"


class Authentication:
    """Finds out who sends a request, and refuses one that needs a credential and has none.

    Credentials come in ``Authorization``, with or without ``Bearer``. An access token may come in
    the query instead; it is taken out of the query there, so that nothing behind this can log it.
    Whether the route allows that is checked where the route is known (``api.http.access``).

    Args:
        app: The application behind it.
        keys: The keys that are valid.
        is_required: Whether requests without a credential are refused.
        docs: Whether the documentation is served, to everyone.
        console: Whether the files of the console are served, to everyone.
        clock: Returns the time, in milliseconds since the epoch.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: KeyRing,
        *,
        is_required: bool,
        docs: bool,
        console: bool,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._app = app
        self._keys = keys
        self._is_required = is_required
        self._docs = docs
        self._console = console
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            Unauthorized: The request has no credential, or an invalid or expired one.
            InvalidRequest: It has several.
            Unavailable: The keys cannot be looked up now.
        """
        if scope["type"] == "http":
            token = take_query_token(scope)
            path = scope["path"]
            is_open = (
                path in OPEN_PATHS
                or (self._docs and is_documentation(path))
                or (self._console and is_console(path))
            )
            if token is not None and is_open:
                raise misplaced_token()
            if not is_open:
                scope[_PRINCIPAL] = await self._principal(scope, token)
        await self._app(scope, receive, send)

    async def _principal(self, scope: Scope, token: str | None) -> Principal:
        headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        # The door refuses requests in which it comes twice.
        authorization = dict(headers).get(b"authorization", b"").decode("latin-1")
        if token is not None:
            if authorization:
                raise InvalidRequest(
                    "token: the request has an Authorization header too. Send only one of them."
                )
            if not token.startswith(PREFIX):
                raise Unauthorized(
                    "token: only an access token (evt_…) may be in a URL. Send an API key in the "
                    "header Authorization, and never from a browser."
                )
            return await self._bearer_of(token)
        scheme, _, rest = authorization.partition(" ")
        secret = rest.strip() if scheme.lower() == "bearer" else authorization
        if secret.startswith(PREFIX):
            return await self._bearer_of(secret)
        return await self._owner_of(secret) if self._is_required else ANYBODY

    async def _owner_of(self, secret: str) -> Principal:
        if not secret:
            raise Unauthorized(
                "An API key is required: send the header Authorization: Bearer evr_…"
            )
        key = await self._keys.find(secret)
        if key is None:
            raise Unauthorized("The API key is not valid. Create one with: everruns keys create")
        return key.principal()

    async def _bearer_of(self, token: str) -> Principal:
        claims = read_token(token, await self._keys.signing_secret(), self._clock())
        # A token that no key made counts where no key is required.
        is_known = (
            not self._is_required if claims.key_id is None else await self._keys.has(claims.key_id)
        )
        if not is_known:
            raise invalid_token()
        return claims.principal()


def take_query_token(scope: Scope) -> str | None:
    """Return the access token in a request's query and remove it there.

    Raises:
        InvalidRequest: There are several.
    """
    query: bytes = scope["query_string"]
    if QUERY_PARAMETER.encode() not in query and b"%" not in query:
        return None
    kept: list[bytes] = []
    found: list[str] = []
    for part in query.split(b"&"):
        pairs = parse_qsl(part.decode("latin-1"), keep_blank_values=True)
        found += [value for name, value in pairs if name == QUERY_PARAMETER]
        if not any(name == QUERY_PARAMETER for name, _ in pairs):
            kept.append(part)
    if not found:
        return None
    # In place: the server's own record of the request must not have it either.
    scope["query_string"] = b"&".join(kept)
    scope[_IS_IN_QUERY] = True
    if len(found) > 1:
        raise InvalidRequest("token: was sent more than once")
    return found[0]


def principal_of(scope: Scope) -> Principal:
    """Return who sends a request."""
    return scope.get(_PRINCIPAL, ANYBODY)


def has_query_token(scope: Scope) -> bool:
    """Tell whether a request's access token came in its query."""
    return _IS_IN_QUERY in scope


def misplaced_token() -> Unauthorized:
    """Return the error of a token in the query of a route that is not a stream."""
    return Unauthorized(
        "token: only streams take an access token in the query. Send it in the header "
        "Authorization: Bearer evt_…"
    )
