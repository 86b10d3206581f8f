"""A server that measures and logs nothing: Python runs this at the start of each of its processes.

The methods that take note of something are replaced once their modules are imported; see
``bench.watching``.
"""

import sys
import time
from threading import Thread

METHODS = {
    ("everruns.telemetry.observing", "GatheredObservers"): ("appended",),
    ("everruns.telemetry.meters", "Meters"): ("add", "begin", "observe", "set"),
    ("everruns.api.http.request_records", "RequestRecords"): ("begun", "ended"),
}
WITHIN_S = 60.0
LOOK_EVERY_S = 0.05


def do_nothing(*_given: object, **_named: object) -> None:
    """Take note of nothing."""


def replace_methods() -> None:
    """Replace the methods of each class as soon as it is there, for a minute."""
    missing = dict(METHODS)
    until = time.monotonic() + WITHIN_S
    while missing and time.monotonic() < until:
        for place in list(missing):
            module, name = place
            if (owner := getattr(sys.modules.get(module), name, None)) is not None:
                for method in missing.pop(place):
                    setattr(owner, method, do_nothing)
        time.sleep(LOOK_EVERY_S)


Thread(target=replace_methods, daemon=True).start()
