"""What is installed has its console, and needs no Node.js to be installed."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
PACKAGED = (
    ".gitignore",
    "LICENSE",
    "README.md",
    "actors",
    "config",
    "everruns",
    "pyproject.toml",
    "serve_app.py",
)
PAGE = "<!doctype html><title>Everruns</title>"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of this project, in which the console is not built."""
    project = tmp_path / "project"
    project.mkdir()
    for name in PACKAGED:
        if (SOURCE / name).is_dir():
            left_out = shutil.ignore_patterns("__pycache__", "assets", "index.html", "icon.svg")
            shutil.copytree(SOURCE / name, project / name, ignore=left_out)
        else:
            shutil.copy(SOURCE / name, project / name)
    return project


def build(project: Path, *kinds: str) -> subprocess.CompletedProcess[str]:
    command = [UV, "build", "--no-create-gitignore", "--out-dir", project / "dist", *kinds]
    return subprocess.run(
        command, cwd=project, check=False, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("kind", ["--wheel", "--sdist"])
def test_nothing_is_packaged_without_a_console(project: Path, kind: str):
    built = build(project, kind)

    assert built.returncode != 0
    assert "The console is not built. Run: make console" in built.stderr
    assert not list(project.glob("dist/everruns-*"))


def test_the_console_is_in_the_source_and_in_the_wheel_that_is_built_from_it(project: Path):
    (project / "everruns" / "console" / "assets").mkdir(parents=True, exist_ok=True)
    (project / "everruns" / "console" / "index.html").write_text(PAGE)
    (project / "everruns" / "console" / "assets" / "main-1.js").write_text("export {};\n")

    built = build(project)

    assert built.returncode == 0, built.stderr
    (source,) = project.glob("dist/*.tar.gz")
    (wheel,) = project.glob("dist/*.whl")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"everruns/console/index.html", "everruns/console/assets/main-1.js"} <= names
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("everruns/console/index.html").decode() == PAGE
        assert "everruns/console/assets/main-1.js" in archive.namelist()
