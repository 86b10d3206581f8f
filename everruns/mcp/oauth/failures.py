"""How the steps of an authorization end, besides with an error for people."""

from dataclasses import dataclass, field

from everruns.mcp.oauth.records import Pending


class Refused(Exception):
    """The authorization server takes what it is shown no more: a person has to consent again.

    Attributes:
        code: Its word for it, one of those of RFC 6749, section 5.2.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Begun:
    """An authorization that a person can consent to.

    Attributes:
        url: The address at which the person consents.
        state: Comes back with the person's browser.
        pending: What is needed then.
    """

    url: str
    state: str = field(repr=False)
    pending: Pending


@dataclass(frozen=True)
class Returned:
    """What came back with a person's browser.

    Attributes:
        code: Is exchanged for tokens.
        issuer: The authorization server, if it names itself.
    """

    code: str = field(repr=False)
    issuer: str | None = None
