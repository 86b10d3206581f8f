"""Keeping a server's secrets out of what is logged and told."""

from everruns.domain.mcp_servers import McpAccount

MASK = "***"
# Shorter values are hardly secrets, and masking them would mask parts of words.
MIN_CHARACTERS = 6


def masked(text: str, account: McpAccount) -> str:
    """Return a text without the values of an account's headers and environment variables."""
    secrets = [*account.headers.values(), *account.environment.values()]
    for secret in secrets:
        value = secret.get_secret_value()
        # A server may repeat a token without the word in front of it.
        for part in {value, value.rpartition(" ")[2]}:
            if len(part) >= MIN_CHARACTERS:
                text = text.replace(part, MASK)
    return text
