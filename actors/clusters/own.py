"""A cluster that this server starts on its machine, and that ends with it."""

from collections.abc import Callable

import structlog

from actors.clusters.ports import check_port_free, free_port
from actors.clusters.start import start_ray, stop_ray
from actors.clusters.watch import RayWatch
from actors.serving.leftovers import end_leftovers
from actors.serving.place import Place
from actors.serving.ways import load_serving
from everruns.errors import Unavailable
from everruns.settings import Settings
from everruns.storage.data_directory.encryption import load_key

log = structlog.get_logger(__name__)


class OwnCluster:
    """The cluster of one server; see ``Cluster``.

    Args:
        settings: The deployment's settings.
        report: Shows that a phase begins.
    """

    def __init__(self, settings: Settings, report: Callable[[str], None]) -> None:
        self._settings = settings
        self._report = report
        self._port = settings.port or free_port()
        self._watch: RayWatch | None = None

    def check(self) -> None:
        """Check the key and the port, after ending what an earlier server has left running.

        Raises:
            InvalidRequest: The encryption key is invalid.
            Unavailable: The port is taken.
        """
        settings = self._settings
        # Only its form; whether the database was written with it, the registry finds out.
        load_key(settings.data_dir, settings.encryption_key)
        if ended := end_leftovers(settings.data_dir):
            log.warning("ended processes of an earlier server", count=ended)
        check_port_free(settings.host, self._port)

    def start(self) -> Place:
        """Start Ray; see ``Cluster.start``.

        Raises:
            Unavailable: Ray does not start.
        """
        settings = self._settings
        self._report("Starting Ray")
        cluster = start_ray(settings)
        self._watch = RayWatch(cluster.logs)
        self._watch.start()
        return Place(settings.host, self._port, cluster.dashboard, cluster.logs)

    def problem(self) -> Unavailable | None:
        """Return which process of Ray has ended; see ``Cluster.problem``."""
        return self._watch.problem() if self._watch else None

    def end(self) -> None:
        """End the application, then Ray; see ``Cluster.end``."""
        if self._watch is not None:
            self._watch.stop()
        # What is left of a broken Ray would wait for what has gone, and be waited for.
        if self.problem():
            load_serving(self._settings).abandon()
            end_leftovers(self._settings.data_dir)
        else:
            # Not above: it takes half a second to import, and Ray starts before.
            from actors.serving.ending import end_application  # noqa: PLC0415

            end_application(self._settings)
        stop_ray()
        end_leftovers(self._settings.data_dir)
