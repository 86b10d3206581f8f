"""Prints the ids of a session's events in a data directory that no server uses."""

import sys
from pathlib import Path

from everruns.storage.data_directory.opening import open_store
from everruns.storage.logs import EventQuery


def main() -> None:
    store = open_store(Path(sys.argv[1]))
    for event in store.logs.read(sys.argv[2], EventQuery()):
        print(event.id)
    store.close()


if __name__ == "__main__":
    main()
