"""The command `migrate`, which copies a data directory into PostgreSQL."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from everruns import cli
from everruns.errors import InvalidRequest, StoreUnavailable
from everruns.storage.opening import open_configured_store

pytestmark = pytest.mark.usefixtures("umask")


def migrate(*words: str, url: str | None = None) -> Result:
    return CliRunner().invoke(cli.cli, ["migrate", *words], env={"EVERRUNS_DATABASE_URL": url})


def test_the_command_shows_what_it_has_copied(data_dir: Path, empty: SecretStr) -> None:
    done = migrate("--from", str(data_dir), url=empty.get_secret_value())

    assert done.exit_code == 0
    assert "Copied 26 of 26 rows of events" in done.stderr
    assert "encryption.key" in done.stderr
    (row,) = (line for line in done.stdout.splitlines() if "events" in line)
    assert "26" in row


def test_the_database_can_be_named_as_an_option(data_dir: Path, empty: SecretStr) -> None:
    assert migrate("--from", str(data_dir), "--to", empty.get_secret_value()).exit_code == 0
    open_configured_store(data_dir, None, empty).close()


def test_the_command_asks_for_the_database_that_is_not_named(data_dir: Path) -> None:
    refused = migrate("--from", str(data_dir))

    assert isinstance(refused.exception, InvalidRequest)
    assert "EVERRUNS_DATABASE_URL" in refused.exception.message


def test_a_database_that_does_not_answer_is_told_without_its_password(data_dir: Path) -> None:
    refused = migrate("--from", str(data_dir), "--to", "postgresql://u:passw0rd@127.0.0.1:1/none")

    assert isinstance(refused.exception, StoreUnavailable)
    assert "passw0rd" not in refused.output + str(refused.exception)
