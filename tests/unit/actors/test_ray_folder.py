"""Ray's folder is private, short enough for sockets, and does not grow for ever."""

import os
from pathlib import Path

import pytest

from actors.clusters import folder as room
from actors.clusters.folder import KEPT_SESSIONS, ray_folder, remove_old_sessions
from everruns.errors import Unavailable

LONGEST_SOCKET = "ray/session_2026-11-28_21-56-19_307047_4194304/sockets/dash_TrainHead"


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, as far as the room knows."""
    base = tmp_path / "base"
    base.mkdir()
    monkeypatch.setattr(room, "_base", lambda: base)
    return base


def new_data_dir(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_only_its_owner_can_enter_it(base: Path, tmp_path: Path) -> None:
    folder = ray_folder(tmp_path)

    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert folder.is_relative_to(base)


def test_each_data_directory_has_one_of_its_own(base: Path, tmp_path: Path) -> None:
    assert ray_folder(tmp_path / "a") == ray_folder(tmp_path / "a")
    assert ray_folder(tmp_path / "a") != ray_folder(tmp_path / "b")


@pytest.mark.parametrize("temporary", ["/tmp", "/run/user/1000/a-rather-long-path"])
def test_sockets_in_it_have_paths_that_systems_allow(
    temporary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "gettempdir", lambda: temporary)

    folder = ray_folder(tmp_path / ("long" * 60))

    assert len(str(folder / LONGEST_SOCKET)) <= 107
    folder.joinpath(room.OWNER_LINK).unlink()
    folder.rmdir()


def test_one_that_others_can_enter_is_closed(base: Path, tmp_path: Path) -> None:
    wide = base / f"everruns-{os.getuid()}"
    wide.mkdir(mode=0o777)
    wide.chmod(0o777)

    ray_folder(tmp_path)

    assert wide.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kind", ["file", "link"])
def test_something_else_in_its_place_is_refused(base: Path, tmp_path: Path, kind: str) -> None:
    place = base / f"everruns-{os.getuid()}"
    if kind == "file":
        place.write_text("")
    else:
        place.symlink_to(new_data_dir(tmp_path / "elsewhere"))

    with pytest.raises(Unavailable, match="TMPDIR"):
        ray_folder(tmp_path)


def test_the_latest_sessions_are_kept_and_older_ones_deleted(base: Path, tmp_path: Path) -> None:
    sessions = ray_folder(tmp_path) / "ray"
    sessions.mkdir()
    names = [f"session_2026-11-{day:02}_10-00-00_000000_7" for day in range(1, 8)]
    for name in names:
        (sessions / name / "logs").mkdir(parents=True)
    (sessions / "session_latest").symlink_to(sessions / names[-1])

    remove_old_sessions(tmp_path)

    left = sorted(path.name for path in sessions.iterdir())
    assert left == [*names[-KEPT_SESSIONS:], "session_latest"]


def test_the_folder_of_a_data_directory_that_has_gone_is_deleted(
    base: Path, tmp_path: Path
) -> None:
    gone = ray_folder(new_data_dir(tmp_path / "gone"))
    there = ray_folder(new_data_dir(tmp_path / "there"))
    (tmp_path / "gone").rmdir()

    remove_old_sessions(new_data_dir(tmp_path / "mine"))

    assert not gone.exists()
    assert there.exists()
