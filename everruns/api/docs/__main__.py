"""Writes the OpenAPI document to the file that the command line names."""

import sys
from pathlib import Path

from everruns.api.app import create_app
from everruns.api.docs.openapi import render_document
from everruns.capabilities.registry import load_capabilities
from everruns.runtime.local import LocalRuntime
from everruns.settings_loading import load_settings
from everruns.storage.memory.store import MemoryStore


def main() -> None:
    """Write the document."""
    settings, capabilities = load_settings(), load_capabilities()
    runtime = LocalRuntime(MemoryStore(), settings, capabilities)
    Path(sys.argv[1]).write_bytes(render_document(create_app(runtime, settings, capabilities)))


if __name__ == "__main__":
    main()
