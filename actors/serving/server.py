"""A server in the foreground: starts or joins Ray, deploys the application, runs until stopped."""

import os
import signal
from collections.abc import Callable
from importlib import import_module
from threading import Event, Thread

from actors.calls import socket_files
from actors.calls.registry_address import withdraw
from actors.clusters.own import OwnCluster
from actors.serving.place import Cluster, Place, address_of
from actors.serving.ways import load_serving
from everruns.settings import Settings
from everruns.storage.data_directory.lock import lock_data_directory
from everruns.storage.data_directory.logs_link import link_logs


def run_server(
    settings: Settings, report: Callable[[str], None], ready: Callable[[Place], None]
) -> None:
    """Serve until SIGINT or SIGTERM, then stop everything that was started.

    Args:
        settings: The deployment's settings. The environment was prepared for them (see
            ``actors.clusters.environment``) before this module was imported.
        report: Shows that a phase begins.
        ready: Called once, when requests are answered.

    Raises:
        EverrunsError: The data directory or a port is taken, or the cluster did not come up. The
            message says what to do.
    """
    address = address_of(settings.host, settings.port)
    with lock_data_directory(settings.data_dir, address) as name_holder:
        # Ray puts the working folder first on the search path of every process, so nobody else's
        # files may be in it.
        os.chdir(settings.data_dir)
        # What starts the registry and the API takes seconds to import, in which Ray starts.
        importing = Thread(target=_import_the_rest, args=[settings])
        cluster = _cluster(settings, report)
        try:
            cluster.check()
            importing.start()
            place = cluster.start()
            # Only now: starting Ray sets handlers of its own.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.default_int_handler)
            name_holder(place.address)
            link_logs(settings.data_dir, place.logs)
            from actors.serving.starting import start_application  # noqa: PLC0415

            ready(start_application(settings, place, report))
            Event().wait()
        except (Exception, KeyboardInterrupt) as error:
            if problem := cluster.problem():
                raise problem from error
            if not isinstance(error, KeyboardInterrupt):
                raise
            report("Stopping")
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            if importing.ident is not None:
                importing.join()
            cluster.end()
            withdraw(settings.data_dir)
            socket_files.remove_left_behind()


def _cluster(settings: Settings, report: Callable[[str], None]) -> Cluster:
    if settings.ray_address is None:
        return OwnCluster(settings, report)
    from actors.clusters.joined import JoinedCluster  # noqa: PLC0415

    return JoinedCluster(settings, report)


def _import_the_rest(settings: Settings) -> None:
    import_module("actors.serving.starting")
    load_serving(settings)
