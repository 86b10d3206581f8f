"""Authentication: requests without a valid API key are refused, where the deployment wants keys."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from everruns.api.docs import is_documentation
from everruns.api.keys import KeyRing
from everruns.errors import Unauthorized

OPEN_PATHS = ("/health", "/ready")


class Authentication:
    """Lets a request pass that brings a key, as ``Authorization: Bearer evr_…`` or without Bearer.

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
        """
        if scope["type"] == "http" and not self._is_open(scope["path"]):
            self._check(Headers(scope=scope).get("authorization", ""))
        await self._app(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        return path in OPEN_PATHS or (self._docs and is_documentation(path))

    def _check(self, authorization: str) -> None:
        scheme, _, rest = authorization.partition(" ")
        secret = rest.strip() if scheme.lower() == "bearer" else authorization
        if not secret:
            raise Unauthorized("An API key is needed: Authorization: Bearer evr_…")
        if not self._keys.verify(secret):
            raise Unauthorized("The API key is not valid. Create one with: everruns keys create")
