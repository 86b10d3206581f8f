"""Capability packages for servers under test, found by their entry points as installed ones are."""

import os
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def package_paths(folder: Path) -> str:
    """Announce the examples' packages in a folder; return the ``PYTHONPATH`` that finds them."""
    information = folder / "everruns_payments-0.1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: everruns-payments\nVersion: 0.1.0\n"
    )
    (information / "entry_points.txt").write_text(
        "[everruns.capabilities]\npayments = everruns_payments:PAYMENTS\n"
    )
    paths = [folder, EXAMPLES / "payments", EXAMPLES.parent]
    return os.pathsep.join(map(str, paths))
