"""A process that copies a log in PostgreSQL until it is killed."""

import os
import signal
from itertools import count

from pydantic import SecretStr
from sqlalchemy import Engine, event

from everruns.storage.data_directory.encryption import Cipher
from everruns.storage.postgres.opening import open_postgres
from everruns.storage.sessions import Fork
from everruns.storage.sql import forks

STRETCH_BYTES = 8_000


def copy_until_killed(address: SecretStr, fork: Fork, commits: int) -> None:
    """Copy a fork's log; kill this process before a commit, counted from 1, if it comes to it."""
    forks.STRETCH_BYTES = STRETCH_BYTES
    store = open_postgres(address, Cipher(bytes(32)))
    done = count(1)

    def die(_: object) -> None:
        if next(done) == commits:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "commit", die)
    store.sessions.copy_log(fork)
