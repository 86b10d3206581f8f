"""Authentication: refuse requests without a valid API key, if the deployment requires one."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from everruns.api.docs import is_documentation
from everruns.api.keys import KeyRing
from everruns.errors import Unauthorized

OPEN_PATHS = ("/health", "/ready")
_KEY_ID = "everruns.api_key_id"


class Authentication:
    """Accepts requests with a valid key in ``Authorization``, with or without ``Bearer``.

    Stores the key's id with the request, see ``api_key_id``.

    Args:
        app: The application that requires keys.
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
            Unauthorized: The request has no API key or an invalid one.
            Unavailable: The keys cannot be looked up now.
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
            raise Unauthorized(
                "An API key is required: send the header Authorization: Bearer evr_…"
            )
        key = await self._keys.find(secret)
        if key is None:
            raise Unauthorized("The API key is not valid. Create one with: everruns keys create")
        return key.id


def api_key_id(scope: Scope) -> str | None:
    """Return the id of the request's API key; ``None`` if the deployment requires none."""
    return scope.get(_KEY_ID)
