"""Authentication: requests without a valid API key are refused, where the deployment wants keys."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from everruns.api.docs import is_documentation
from everruns.api.keys import KeyRing
from everruns.errors import Unauthorized

OPEN_PATHS = ("/health", "/ready")
_KEY_ID = "everruns.api_key_id"


class Authentication:
    """Lets a request pass that brings a key, as ``Authorization: Bearer evr_…`` or without Bearer.

    The key's id goes with the request, see ``api_key_id``.

    Args:
        app: What asks for keys.
        keys: The keys that are valid.
        docs: Whether the documentation is served, to everyone.
    """

    def __init__(self, app: ASGIApp, keys: KeyRing, *, docs: bool) -> None:
        self._app = app
        self._keys = keys
        self._docs = docs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            Unauthorized: The request brought no key, or a wrong one.
            Unavailable: The keys are not known now.
        """
        if scope["type"] == "http" and not self._is_open(scope["path"]):
            scope[_KEY_ID] = await self._check(Headers(scope=scope).get("authorization", ""))
        await self._app(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        return path in OPEN_PATHS or (self._docs and is_documentation(path))

    async def _check(self, authorization: str) -> str:
        scheme, _, rest = authorization.partition(" ")
        secret = rest.strip() if scheme.lower() == "bearer" else authorization
        if not secret:
            raise Unauthorized("An API key is needed: Authorization: Bearer evr_…")
        key = await self._keys.find(secret)
        if key is None:
            raise Unauthorized("The API key is not valid. Create one with: everruns keys create")
        return key.id


def api_key_id(scope: Scope) -> str | None:
    """Return the id of the API key that a request came with; ``None`` where none is asked for."""
    return scope.get(_KEY_ID)
