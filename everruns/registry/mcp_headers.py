"""Encrypting the headers and client secrets of MCP servers, and decrypting them for the client.

A value is encrypted for its name and the address that it was given for, so it cannot be sent
anywhere else, whatever becomes of the text in the database.
"""

from collections.abc import Mapping

from pydantic import SecretStr

from everruns.domain.mcp_auth import GivenMcpAuth, McpAuth
from everruns.domain.mcp_servers import InlineMcpServer, McpAccount, McpServer
from everruns.domain.secret_forms import MASK
from everruns.errors import CredentialsRequired
from everruns.storage.data_directory.encryption import Cipher

# No header can have this name.
_CLIENT_SECRET = "client secret"  # noqa: S105 - no secret


class McpHeaders:
    """Encrypts and decrypts headers.

    Args:
        cipher: The store's.
    """

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher

    def seal(
        self,
        given: Mapping[str, SecretStr],
        url: str,
        stored: InlineMcpServer | McpServer | None,
    ) -> dict[str, str]:
        """Return headers as they are stored.

        Args:
            given: The headers of a request; a value ``MASK`` keeps the stored one.
            url: The address to which they are sent.
            stored: The server as it was before, if there is one.

        Raises:
            CredentialsRequired: A value is to be kept, and none is stored for this address.
        """
        known = stored.headers if stored is not None and stored.url == url else {}
        sealed: dict[str, str] = {}
        for name, value in given.items():
            if value.get_secret_value() != MASK:
                sealed[name] = self._cipher.encrypt(value, _owner(url, name))
            elif name in known:
                sealed[name] = known[name]
            else:
                raise CredentialsRequired(
                    f"The value of the header {name} for {url} is required: {MASK} keeps a stored "
                    "value, and none is stored for this address."
                )
        return sealed

    def seal_auth(self, given: GivenMcpAuth | None, stored: McpAuth | None) -> McpAuth | None:
        """Return how a server is authorized, as it is stored.

        Args:
            given: What a request says; a secret ``MASK`` keeps the stored one.
            stored: As it was before.

        Raises:
            CredentialsRequired: The secret is to be kept, and none is stored for this issuer.
        """
        if given is None:
            return None
        sealed: str | None = None
        secret, issuer = given.client_secret, given.issuer or ""
        if secret is not None and secret.get_secret_value() != MASK:
            sealed = self._cipher.encrypt(secret, _owner(issuer, _CLIENT_SECRET))
        elif secret is not None:
            sealed = stored.client_secret if stored and stored.issuer == issuer else None
            if sealed is None:
                raise CredentialsRequired(
                    f"The client_secret for {issuer} is required: {MASK} keeps a stored one, and "
                    "none is stored for this issuer."
                )
        return McpAuth.model_validate({**dict(given), "client_secret": sealed})

    def open_client_secret(self, auth: McpAuth) -> SecretStr | None:
        """Return the secret with which this deployment asks a server's issuer.

        Raises:
            StoreUnavailable: It was encrypted with another key.
        """
        if auth.client_secret is None:
            return None
        return self._cipher.decrypt(auth.client_secret, _owner(auth.issuer or "", _CLIENT_SECRET))

    def open(self, name: str, server: InlineMcpServer | McpServer) -> McpAccount:
        """Return a server with its headers.

        Args:
            name: Its name.
            server: The stored server, which has an address.

        Raises:
            SecretsUnreadable: They were encrypted with another key.
        """
        url = server.url or ""
        auth = server.auth if isinstance(server, McpServer) else None
        return McpAccount(
            id=server.id if isinstance(server, McpServer) and auth else None,
            acts_as=auth.acts_as if auth else None,
            name=name,
            type=server.type,
            url=server.url,
            headers={
                header: self._cipher.decrypt(sealed, _owner(url, header))
                for header, sealed in server.headers.items()
            },
            allowed_tools=server.allowed_tools,
            require_approval=server.require_approval,
        )


def _owner(url: str, name: str) -> str:
    return f"{url} {name}"
