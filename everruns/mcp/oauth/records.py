"""What is kept between the steps of an authorization; all of it is stored encrypted."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from everruns.domain.base import Model


@dataclass(frozen=True)
class OAuthServer:
    """A server that wants OAuth, with the secrets of its entry.

    Attributes:
        name: Its name.
        url: Its address.
        acts_as: Whether each user consents, or the deployment has credentials of its own.
        scopes: What to ask for; ``None`` asks for what the server names.
        client_id: The client that the authorization server knows already.
        client_secret: Its secret, which is sent to ``issuer`` alone.
        issuer: The only authorization server that may be used.
    """

    name: str
    url: str
    acts_as: Literal["user", "service"] = "user"
    scopes: tuple[str, ...] | None = None
    client_id: str | None = None
    client_secret: str | None = None
    issuer: str | None = None

    def __repr__(self) -> str:
        """Return its name alone."""
        return f"OAuthServer({self.name!r})"


class Client(Model):
    """This deployment as an authorization server knows it.

    Attributes:
        client_id: Its name there.
        client_secret: Its secret, if it has one.
        method: How it shows its secret to the token endpoint.
        issuer: The authorization server that registered it; ``None`` if that cannot be told.
        redirect_url: Where it was registered to send browsers back.
    """

    client_id: str
    client_secret: str | None = Field(default=None, repr=False)
    method: str | None = None
    issuer: str | None = None
    redirect_url: str | None = None


class Authority(Model):
    """An authorization server, as far as later steps need it.

    Attributes:
        issuer: Its name.
        authorization_endpoint: Where people consent.
        token_endpoint: Where tokens are issued.
        sends_issuer: Whether it says that it names itself when a person comes back (RFC 9207).
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    sends_issuer: bool = False


class Pending(Model):
    """An authorization that waits for a person's consent.

    Attributes:
        client: Who asks.
        authority: Who is asked.
        resource: For which server the tokens will be (RFC 8707), if it can be said.
        scope: What is asked for.
        verifier: Proves that whoever exchanges the code is who has asked for it (RFC 7636).
        redirect_url: Where the browser comes back.
    """

    client: Client
    authority: Authority
    resource: str | None = None
    scope: str | None = None
    verifier: str = Field(repr=False)
    redirect_url: str


class Granted(Model):
    """Tokens, and what is needed to renew them.

    Attributes:
        client: To whom they were issued.
        authority: Who issued them.
        resource: For which server they are, if it was said.
        scope: What they allow, as far as known.
        access_token: Goes to the server.
        refresh_token: Renews them, if they can be.
        renew_ms: From when on they are renewed, in milliseconds since the epoch, if it is known
            when they expire.
    """

    client: Client
    authority: Authority
    resource: str | None = None
    scope: str | None = None
    access_token: str = Field(repr=False)
    refresh_token: str | None = Field(default=None, repr=False)
    renew_ms: int | None = None
