"""A cluster that was there before this server, and that may have other applications."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

import ray
from ray.exceptions import RayError

from actors.clusters.ports import check_port_free, free_port, is_port_free
from actors.clusters.probe import check_cluster
from actors.clusters.start import join_ray
from actors.names import find_registry
from actors.processes import wait
from actors.serving.ending import end_application, kill_actor, list_actors
from actors.serving.place import Place
from everruns.errors import Conflict, Unavailable
from everruns.settings import Settings

REGISTRY_TIMEOUT_S = 10.0
# How long killed processes and their ports may last.
GONE_TIMEOUT_S = 5.0


class JoinedCluster:
    """A cluster that is there already; see ``Cluster``.

    Everruns is taken off it completely at the end, and what a killed server left on it is taken off
    at the start. Serve goes too, and with it the port, unless another application is on it.

    Args:
        settings: The deployment's settings, with the cluster's address.
        report: Shows that a phase begins.
    """

    def __init__(self, settings: Settings, report: Callable[[str], None]) -> None:
        self._settings = settings
        self._report = report
        # Until it is known that nobody else's Everruns is there, nothing is taken off.
        self._is_ours = False

    def check(self) -> None:
        """Ask the cluster whether it lets this process in.

        Raises:
            InvalidRequest: Its address is malformed.
            Unavailable: It does not answer or refuses access.
        """
        self._report("Joining Ray")
        check_cluster(self._address)

    def start(self) -> Place:
        """Join the cluster and take it over; see ``Cluster.start``.

        Raises:
            InvalidRequest: Its Serve listens where an open server must not.
            Unavailable: It cannot be joined, or the port is taken.
            Conflict: Everruns runs on it with another data directory.
        """
        cluster = join_ray(self._address)
        self._check_ours()
        self._is_ours = True
        application: Any = import_module("actors.serving.application")
        if list_actors() or application.is_running():
            self._report("Ending what an earlier server left on the cluster")
        self._take_off(application)
        host, port, notes = self._find_port(application)
        return Place(host, port, None, cluster.logs, notes)

    @property
    def _address(self) -> str:
        return self._settings.ray_address or ""

    def problem(self) -> Unavailable | None:
        """Return nothing: Ray itself ends a process that has lost its cluster."""
        return None

    def end(self) -> None:
        """Take everything off the cluster, and leave it; see ``Cluster.end``."""
        if not ray.is_initialized():
            return
        if self._is_ours:
            self._take_off(import_module("actors.serving.application"))
        ray.shutdown()

    def _check_ours(self) -> None:
        """Refuse a cluster on which Everruns has another data directory.

        Its server may be running, and its sessions with it.
        """
        try:
            registry = find_registry()
        except ValueError:
            return
        try:
            theirs = cast("str", ray.get(registry.data_dir.remote(), timeout=REGISTRY_TIMEOUT_S))
        except (RayError, TimeoutError, AttributeError) as error:
            raise Conflict(
                "Everruns runs on this cluster already, and its registry does not say with which "
                "data directory. Try again; if it stays so, start the cluster again."
            ) from error
        if theirs != str(self._settings.data_dir):
            raise Conflict(
                f"Everruns runs on this cluster already, with the data directory {theirs}. Stop it "
                "there (if it was killed, start it again with that --data-dir and press Ctrl-C), "
                "or choose another cluster with --ray-address."
            )

    def _take_off(self, application: Any) -> None:
        if application.is_running() or list_actors():
            end_application(self._settings)
        for name in list_actors():
            kill_actor(name)
        application.take_down()
        wait(lambda: not list_actors(), GONE_TIMEOUT_S)

    def _find_port(self, application: Any) -> tuple[str, int, tuple[str, ...]]:
        """Return the host and port to serve on, and what is to be said about them.

        Serve's address cannot change while it runs, and it runs as long as an application does.
        """
        host, port = self._settings.host, self._settings.port
        serve = application.find_serve()
        if serve is None:
            port = port or free_port()
            wait(lambda: is_port_free(host, port), GONE_TIMEOUT_S)
            check_port_free(host, port)
            return host, port, ()
        self._settings.model_copy(update={"host": serve.host}).check_exposure()
        if serve.host == host and port in (0, serve.port):
            return host, serve.port, ()
        note = (
            f"Ray Serve on this cluster listens on {serve.host}:{serve.port} for "
            f"{', '.join(serve.applications)}, so Everruns does, too; {host}:{port} is not used."
        )
        return serve.host, serve.port, (note,)
