"""Ray's dashboard for a cluster that was started without it, while somebody wants to look.

A server leaves a note in the folder of Ray's session; whoever starts the dashboard finds the
cluster by it. The dashboard is started with Ray's own function, and tells the cluster where it is,
so that ``ray list`` and ``ray job`` find it as well.
"""

import json
import logging
import subprocess
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from actors.clusters.companions import NOBODY
from actors.clusters.environment import LOG_FILES
from actors.clusters.errors import first_sentence
from actors.clusters.ports import dashboard_port, is_listening
from everruns.errors import Conflict, NotFound, Unavailable
from everruns.settings import Settings
from everruns.storage.data_directory.lock import find_server
from everruns.storage.data_directory.logs_link import logs_link

NOTE = "dashboard_on_demand.json"
HOST = "127.0.0.1"
# Where Ray keeps addresses: of the dashboard for programs, for people, and of its metrics.
NAMESPACE = b"dashboard"
ADDRESS, SHOWN_ADDRESS, METRICS_ADDRESS = b"dashboard", b"webui:url", b"DashboardMetricsAddress"
ANSWER_TIMEOUT_S = 5.0
END_TIMEOUT_S = 5.0
POLL_S = 0.5


@dataclass(frozen=True)
class Dashboard:
    """A dashboard that is up.

    Attributes:
        url: Its address.
        process: Its first process.
    """

    url: str
    process: subprocess.Popen[bytes]

    def wait(self) -> None:
        """Return when it has ended: with the server, unless it was killed."""
        # In steps, so that a signal interrupts the wait on every system.
        while self.process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(POLL_S)


def offer_dashboard(address_info: Mapping[str, Any]) -> None:
    """Note how a dashboard finds the cluster that was started here.

    Args:
        address_info: What ``ray.init`` returns of it.

    Raises:
        OSError: The note cannot be written.
    """
    wanted = ("gcs_address", "node_ip_address", "session_dir")
    note = Path(address_info["session_dir"]) / NOTE
    note.write_text(json.dumps({name: address_info[name] for name in wanted}))


@contextmanager
def running_dashboard(settings: Settings, port: int) -> Generator[Dashboard]:
    """Start the dashboard of the server that runs on a data directory, and end it afterwards.

    The environment was prepared for it (see ``actors.clusters.environment``) before Ray was
    imported.

    Args:
        settings: The settings; the data directory tells which server is meant.
        port: The port that is wanted; 0 for any. If it is taken, another one is used.

    Raises:
        NotFound: No server runs there, or it offers no dashboard.
        Conflict: The dashboard runs already.
        Unavailable: The server does not answer, or the dashboard does not come up.
    """
    cluster = _read_note(settings.data_dir)
    book = _AddressBook(cluster["gcs_address"])
    book.check_nobody_listens()
    with closing(book):
        book.forget(ADDRESS)
        url, process = _start(cluster, book, dashboard_port(port), settings.max_log_bytes)
        book.write(SHOWN_ADDRESS, url.encode())
        try:
            yield Dashboard(f"http://{url}", process)
        finally:
            _end(process)


def _read_note(data_dir: Path) -> dict[str, str]:
    if find_server(data_dir) is None:
        raise NotFound(
            f"No server runs on {data_dir}. Start one with `everruns serve`, or name its data "
            "directory with --data-dir."
        )
    try:
        return json.loads((logs_link(data_dir).resolve().parent / NOTE).read_text())
    except FileNotFoundError:
        raise NotFound(
            f"The server on {data_dir} offers no dashboard to start: it runs with "
            "dashboard = on or off, is still starting, or has joined a cluster, which has its own."
        ) from None


class _AddressBook:
    """The addresses that a cluster's GCS keeps.

    Raises:
        Unavailable: The GCS does not answer.
    """

    def __init__(self, gcs_address: str) -> None:
        raylet: Any = import_module("ray._raylet")
        self._client = raylet.GcsClient(address=gcs_address)
        self.cluster_id: str = self._call(lambda: self._client.cluster_id).hex()

    def check_nobody_listens(self) -> None:
        """Check that no dashboard is noted, or that the one which was has gone without a word.

        Raises:
            Conflict: There is one.
            Unavailable: The GCS does not answer.
        """
        noted = self._call(
            lambda: self._client.internal_kv_get(SHOWN_ADDRESS, NAMESPACE, ANSWER_TIMEOUT_S)
        )
        if noted and is_listening(noted.decode()):
            raise Conflict(f"The dashboard runs already, at http://{noted.decode()}.")

    def write(self, key: bytes, value: bytes) -> None:
        """Note an address."""
        self._call(
            lambda: self._client.internal_kv_put(key, value, True, NAMESPACE, ANSWER_TIMEOUT_S)
        )

    def forget(self, key: bytes, namespace: bytes | None = NAMESPACE) -> None:
        """Forget an address."""
        self._call(lambda: self._client.internal_kv_del(key, False, namespace, ANSWER_TIMEOUT_S))

    def close(self) -> None:
        """Forget the dashboard, unless the server has ended too."""
        with suppress(Unavailable):
            self.write(ADDRESS, NOBODY)
            self.forget(SHOWN_ADDRESS)
            # Prometheus would go on asking there.
            self.forget(METRICS_ADDRESS, None)

    def _call(self, call: Any) -> Any:
        exceptions: Any = import_module("ray.exceptions")
        try:
            return call()
        except (exceptions.RpcError, exceptions.RaySystemError, RuntimeError) as error:
            raise Unavailable(
                f"The server's cluster does not answer: {first_sentence(error)}"
            ) from error


def _start(
    cluster: Mapping[str, str], book: _AddressBook, port: int | None, max_log_bytes: int
) -> tuple[str, Any]:
    """Start the process with Ray's own function, which returns when it answers."""
    services: Any = import_module("ray._private.services")
    utils: Any = import_module("ray._private.utils")
    session = Path(cluster["session_dir"])
    logs = session / "logs"
    # What Ray itself prints of a failure is the end of that log, too.
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    try:
        url, info = services.start_api_server(
            include_dashboard=True,
            raise_on_failure=True,
            host=HOST,
            gcs_address=cluster["gcs_address"],
            cluster_id_hex=book.cluster_id,
            node_ip_address=cluster["node_ip_address"],
            temp_dir=str(session.parent),
            logdir=str(logs),
            session_dir=str(session),
            port=port,
            # Where the system can do that, it ends with this process, however that ends.
            fate_share=utils.detect_fate_sharing_support(),
            max_bytes=max_log_bytes // LOG_FILES,
            backup_count=LOG_FILES - 1,
            stdout_filepath=str(logs / "dashboard.out"),
            stderr_filepath=str(logs / "dashboard.err"),
        )
    except Exception as error:  # Ray has no class of its own for this.
        # Most of what it raises is the end of a log, on many lines.
        told = str(error).strip()
        reason = "It is not up in time." if "\n" in told else first_sentence(error)
        raise Unavailable(
            f"The dashboard did not start. {reason} Its log is {logs / 'dashboard.log'}."
        ) from error
    return url, info.process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
