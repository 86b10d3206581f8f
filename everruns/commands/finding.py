"""Which server a command talks to, and the key that it shows there."""

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from everruns.errors import InvalidRequest
from everruns.process_environment import get_environment
from everruns.settings_loading import load_settings

KEY_VARIABLE = "EVERRUNS_API_KEY"
LONGEST_KEY = 4096

ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        envvar="EVERRUNS_SERVER",
        metavar="URL",
        help="The server's address. (default: the server of the data directory)",
    ),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(
        help=f"File with the API key. Without it, {KEY_VARIABLE} has the key, if one is needed.",
        dir_okay=False,
    ),
]
DataDirOption = Annotated[
    Path | None, typer.Option(help="Directory of the database and keys. (default: ~/.everruns)")
]


def find_address(server: str | None, data_dir: Path | None) -> str:
    """Return the base URL of the server that a command is for.

    It is the one that was named; or the one that runs on the data directory; or, if none does, the
    one that would run with the settings of this environment.

    Args:
        server: Its address, if it was named.
        data_dir: The data directory; without it, the one of the settings.

    Raises:
        InvalidRequest: The address is not a URL, or a setting is wrong.
    """
    if server is not None:
        return _checked(server)
    # Neither imports Ray or the store.
    from actors.serving.place import address_of  # noqa: PLC0415
    from everruns.storage.data_directory.lock import find_server  # noqa: PLC0415

    settings = load_settings(data_dir=data_dir)
    if running := find_server(settings.data_dir):
        return running
    if settings.port == 0:
        raise InvalidRequest(
            f"No server runs on the data directory {settings.data_dir}. Start one with "
            "`everruns serve`, or name one with --server."
        )
    return address_of(settings.host, settings.port)


def _checked(server: str) -> str:
    try:
        parts = urlsplit(server)
        has_port = parts.port != 0
    except ValueError:
        has_port, parts = False, urlsplit("")
    is_address = parts.scheme in {"http", "https"} and parts.hostname is not None and has_port
    if not is_address or "@" in parts.netloc or parts.query or parts.fragment:
        raise InvalidRequest(
            f"--server {server[:100]!r}: must be an address such as http://127.0.0.1:9300."
        )
    return server.rstrip("/")


def find_key(key_file: Path | None) -> str | None:
    """Return the API key or access token that a command shows, if there is one.

    No option takes the key itself, because lists of processes show options.

    Raises:
        InvalidRequest: It cannot be read, or is not a key.
    """
    if key_file is None:
        where, key = KEY_VARIABLE, (get_environment(KEY_VARIABLE) or "").strip()
        if not key:
            return None
    else:
        where = f"--key-file {key_file}"
        try:
            with key_file.open("rb") as file:
                key = file.read(LONGEST_KEY + 1).decode("ascii", "replace").strip()
        except OSError as error:
            reason = error.strerror or os.strerror(error.errno or 0)
            raise InvalidRequest(f"{where}: {reason}.") from None
    if not key or len(key) > LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise InvalidRequest(f"{where}: must be an API key, one line of printable characters.")
    return key
