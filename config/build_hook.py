"""Refuses to package a server without its console, which would be noticed only by its users."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ConsoleIsBuilt(BuildHookInterface[Any]):
    """Checks that the console was built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 (hatchling's own names)
        """Check before anything but an editable wheel is built, which serves what is there.

        Raises:
            SystemExit: The console was not built.
        """
        if version != "editable" and not Path(self.root, "everruns/console/index.html").is_file():
            self.app.abort("The console is not built. Run: make console")
