"""Encrypting the headers of MCP servers, and decrypting them for the client.

A value is encrypted for its name and the address that it was given for, so it cannot be sent
anywhere else, whatever becomes of the text in the database.
"""

from collections.abc import Mapping

from pydantic import SecretStr

from everruns.domain.mcp_servers import InlineMcpServer, McpAccount, McpServer
from everruns.domain.secret_forms import MASK
from everruns.errors import CredentialsRequired
from everruns.storage.data_directory.encryption import Cipher


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

    def open(self, name: str, server: InlineMcpServer | McpServer) -> McpAccount:
        """Return a server with its headers.

        Args:
            name: Its name.
            server: The stored server, which has an address.

        Raises:
            SecretsUnreadable: They were encrypted with another key.
        """
        url = server.url or ""
        return McpAccount(
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
