"""Prints the ids of a session's events in a data directory that no server uses."""

import sys
from pathlib import Path

from everruns.storage.base import EventQuery
from everruns.storage.data_directory import open_store


def main() -> None:
    store = open_store(Path(sys.argv[1]))
    for event in store.read_events(sys.argv[2], EventQuery()):
        print(event.id)
    store.close()


if __name__ == "__main__":
    main()
