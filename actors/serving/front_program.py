"""The program that Ray Serve starts as HAProxy: it writes our configuration and executes HAProxy.

Serve generates HAProxy's configuration from a template of its own and has no setting for most of
what the front needs. So it is told that HAProxy is a small script (see ``actors.serving.front``),
which runs this file. What only Serve knows is taken out of its text: the sockets and limits, the
port and the replicas. Everything else is in ``front.cfg`` and ``front_application.cfg``, next to
this file. The result replaces Serve's text in the same file and HAProxy replaces this process, so
Serve finds the process id and command line that it looks for.

A text in which these things are not found is refused. HAProxy then does not start, and neither does
the server, rather than start open.

This runs at each change of the replicas, so it imports nothing but the standard library.
"""

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
TEMPLATES = Path(__file__).parent
# Serve's own sections, which ours replace.
REPLACED = {"defaults", "frontend prometheus", "backend default_backend", "listen stats"}
KEPT_GLOBALS = (
    "stats timeout ",
    "maxconn ",
    "nbthread ",
    "server-state-base ",
    "server-state-file ",
)


# How Serve's replicas are checked.
SERVES_CHECKS = ("option httpchk GET /-/healthz", "http-check expect status 200")
# After so much silence, what was sent to a server is given up. HAProxy takes no default for it.
SILENCE = "tcp-ut 5s"


class UnknownConfigurationError(Exception):
    """Serve's configuration has an unknown form; another version of Ray may have written it."""


@dataclass(frozen=True)
class Front:
    """The server's settings for the front.

    Attributes:
        binary: HAProxy's path.
        host: The API's listen address; without it, the one from Serve.
        header_timeout_s: Seconds within which a request's headers must arrive.
        client_silence_s: Seconds after which an idle client is disconnected.
        server_silence_s: The same for a replica.
        stream_s: Seconds after which every stream has ended. A change of the replicas leaves an old
            HAProxy to its streams for as long; Serve would end it, and them, after two minutes.
        pages: Folder of HAProxy's own responses, ``<status>.http``.
    """

    binary: str
    host: str | None
    header_timeout_s: int
    client_silence_s: int
    server_silence_s: int
    stream_s: int
    pages: str


@dataclass(frozen=True)
class Generated:
    """The values extracted from Serve's configuration.

    Attributes:
        globals: Lines of the section ``global``.
        host: Where Serve lets HAProxy listen.
        port: The port there.
        backend: The name of the application's backend, or ``None`` while there is none.
        default_server: How its servers are checked.
        servers: The lines of its servers.
    """

    globals: tuple[str, ...]
    host: str
    port: int
    backend: str | None
    default_server: str
    servers: tuple[str, ...]


@dataclass(frozen=True)
class Backend:
    """The processes behind HAProxy.

    Attributes:
        name: Its name.
        checks: Lines that say how the servers are watched.
        servers: Lines of the servers.
        stream_checks: The same for requests that ask for an event stream.
        stream_servers: The servers of these.
    """

    name: str
    checks: Sequence[str]
    servers: Sequence[str]
    stream_checks: Sequence[str]
    stream_servers: Sequence[str]


def read_generated(text: str) -> Generated:
    """Extract from Serve's configuration what only Serve knows.

    Raises:
        UnknownConfigurationError: A value is missing, or the text has something that would not be
            served.
    """
    sections = _sections(text)
    frontend = sections.pop("frontend http_frontend", [])
    bind = re.fullmatch(r"bind (\S+):(\d+)", _only(frontend, "bind "))
    if bind is None:
        raise UnknownConfigurationError("The frontend's address is not HOST:PORT.")
    global_lines = sections.pop("global", [])
    socket = re.fullmatch(
        r"stats socket (/\S+) mode \d+ level admin expose-fd listeners",
        _only(global_lines, "stats socket "),
    )
    if socket is None:
        raise UnknownConfigurationError("HAProxy's admin socket is not where it was.")
    kept = [line for line in global_lines if line.startswith(KEPT_GLOBALS)]
    kept.append(f"stats socket {socket[1]} mode 600 level admin expose-fd listeners")

    rest = {name: lines for name, lines in sections.items() if name not in REPLACED}
    if not rest:
        return Generated(tuple(kept), bind[1], int(bind[2]), None, "", ())
    application = next(iter(rest))
    backend = re.fullmatch(r"backend ([\w.-]+)", application)
    if len(rest) > 1 or backend is None:
        raise UnknownConfigurationError(
            f"Only one application can be behind the front, but there are: {', '.join(rest)}."
        )
    servers = [line for line in rest[application] if line.startswith("server ")]
    if not all(re.fullmatch(r"server [\w.-]+ \S+:\d+( [\w -]+)?", line) for line in servers):
        raise UnknownConfigurationError("A line of a server is not NAME HOST:PORT OPTIONS.")
    checks = _only(rest[application], "default-server ")
    return Generated(tuple(kept), bind[1], int(bind[2]), backend[1], checks, tuple(servers))


def render(generated: Generated, front: Front) -> str:
    """Return the whole configuration of HAProxy in front of Serve's replicas.

    Nothing listens until there is a replica, or Serve's proxy that waits for one: until then the
    system refuses connections, which clients try again.
    """
    if generated.backend is None or not generated.servers:
        return _render_common(generated.globals, front)
    replicas = [line for line in generated.servers if not line.endswith(" backup")]
    backend = Backend(
        generated.backend,
        (*SERVES_CHECKS, generated.default_server),
        [f"{line} {SILENCE}" for line in generated.servers],
        (),
        [_tracking(line, generated.backend) for line in replicas],
    )
    host = front.host or generated.host
    return render_whole(generated.globals, front, host, generated.port, backend)


def render_whole(
    global_lines: Sequence[str], front: Front, host: str, port: int, backend: Backend
) -> str:
    """Return the whole configuration of HAProxy.

    Args:
        global_lines: Lines of the section ``global``.
        front: The server's settings.
        host: Where HAProxy listens.
        port: The port there.
        backend: The processes behind it.
    """
    return _render_common(global_lines, front) + _fill(
        "front_application.cfg",
        bind=_address(host, port),
        methods=" ".join(METHODS),
        backend=backend.name,
        checks=_lines(backend.checks),
        servers=_lines(backend.servers),
        stream_checks=_lines(backend.stream_checks),
        stream_servers=_lines(backend.stream_servers),
    )


def _render_common(global_lines: Sequence[str], front: Front) -> str:
    return _fill(
        "front.cfg",
        global_lines=_lines(global_lines),
        header_timeout_s=str(front.header_timeout_s),
        client_silence_s=str(front.client_silence_s),
        server_silence_s=str(front.server_silence_s),
        stream_s=str(front.stream_s),
        pages=front.pages,
    )


def _sections(text: str) -> dict[str, list[str]]:
    """Return the lines of each section by its first line; comments are left out."""
    sections: dict[str, list[str]] = {}
    lines: list[str] | None = None
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if line == line.lstrip():
            if stripped in sections:
                raise UnknownConfigurationError(f"The section {stripped} appears twice.")
            lines = sections[stripped] = []
        elif lines is None:
            raise UnknownConfigurationError("A line stands before the first section.")
        else:
            lines.append(stripped)
    return sections


def _only(lines: Sequence[str], beginning: str) -> str:
    found = [line for line in lines if line.startswith(beginning)]
    if len(found) != 1:
        raise UnknownConfigurationError(f"{len(found)} lines begin with '{beginning}', not one.")
    return found[0]


def _tracking(server: str, backend: str) -> str:
    """Return the line of a server whose health is that of the same one in another backend."""
    _, name, address, *_ = server.split()
    return f"server {name} {address} track {backend}/{name} {SILENCE}"


def _address(host: str, port: int) -> str:
    if host == "::":
        return f"[::]:{port} v4v6"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _lines(lines: Sequence[str]) -> str:
    return "\n    ".join(lines)


def _fill(template: str, **values: str) -> str:
    return Template((TEMPLATES / template).read_text()).substitute(values)


def main(front_file: str, *arguments: str) -> None:
    """Execute HAProxy.

    Args:
        front_file: The ``Front`` as JSON.
        arguments: Those that Serve gives HAProxy.
    """
    become_haproxy(Front(**json.loads(Path(front_file).read_text())), arguments)


def become_haproxy(front: Front, arguments: Sequence[str]) -> None:
    """Rewrite the configuration that Serve's arguments name, and replace this process."""
    configuration = Path(arguments[arguments.index("-f") + 1])
    try:
        text = render(read_generated(configuration.read_text()), front)
    except UnknownConfigurationError as error:
        sys.exit(
            f"The configuration that Ray Serve generated for HAProxy has an unknown form: {error} "
            "Install the version of Ray that the lock file names."
        )
    # Written atomically, and not through the file that Serve may have open.
    written = configuration.with_name(f"{configuration.name}.{os.getpid()}")
    written.write_text(text)
    written.replace(configuration)
    command = [front.binary, *arguments]
    if "-sf" not in arguments and (left := _list_left(str(configuration))):
        # Serve lost the process that managed HAProxy, but that HAProxy still holds the port.
        command += ["-sf", *left]
    os.execv(front.binary, command)  # noqa: S606


def _list_left(configuration: str) -> list[str]:
    """Return the ids of processes that were started with this configuration, but for this one."""
    left: list[str] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # It has ended.
        if configuration.encode() in words and folder.name != str(os.getpid()):
            left.append(folder.name)
    return left


if __name__ == "__main__":
    main(*sys.argv[1:])
