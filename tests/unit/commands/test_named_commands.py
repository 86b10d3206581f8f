"""The banner names whole commands for this server, such as the one that prints its token."""

from pathlib import Path

import pytest

from everruns.commands.dashboard import command_of
from everruns.settings_loading import load_settings


@pytest.mark.parametrize(
    ("data_dir", "command"),
    [
        (None, "everruns token"),
        (Path("/srv/data"), "everruns token --data-dir /srv/data"),
        (Path("/srv/my data"), "everruns token --data-dir '/srv/my data'"),
    ],
)
def test_a_data_directory_other_than_the_usual_one_is_part_of_it(
    data_dir: Path | None, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVERRUNS_DATA_DIR", raising=False)

    assert command_of("token", load_settings(data_dir=data_dir)) == command
