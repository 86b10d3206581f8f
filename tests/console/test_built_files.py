"""The built files: few, small, and nothing in them that the page's policy forbids."""

import gzip
import re

from tests.console.conftest import BUILT

MAX_FIRST_SCRIPT_BYTES = 180_000
MAX_BYTES = 1_500_000
PAGE = BUILT / "index.html"
# A module that is imported at once, unlike `import("./later.js")`.
IMPORTED = re.compile(r'(?:\bimport|\bfrom)\s*"\./([^"]+\.js)"')


def first_scripts() -> set[str]:
    """The scripts without which nothing is shown."""
    waiting = re.findall(r'(?:src|href)="/assets/([^"]+\.js)"', PAGE.read_text())
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += IMPORTED.findall((BUILT / "assets" / name).read_text())
    return found


def test_the_first_load_is_small():
    scripts = [(BUILT / "assets" / name).read_bytes() for name in first_scripts()]

    assert scripts
    assert sum(len(gzip.compress(script)) for script in scripts) <= MAX_FIRST_SCRIPT_BYTES


def test_everything_together_is_small():
    files = [file for file in BUILT.rglob("*") if file.is_file()]

    assert sum(file.stat().st_size for file in files) <= MAX_BYTES


def test_no_source_maps_are_shipped():
    for file in BUILT.rglob("*"):
        assert file.suffix != ".map"
        if file.suffix in (".js", ".css"):
            assert "sourceMappingURL=" not in file.read_text()


def test_the_page_has_no_script_or_style_of_its_own():
    page = PAGE.read_text()

    assert re.findall(r"<script\b[^>]*>([^<]*)</script>", page) == [""]
    assert "<style" not in page
    assert not re.search(r"\s(style|on\w+)=", page)


def test_the_page_and_its_styles_name_no_other_place():
    for file in (PAGE, *BUILT.rglob("*.css")):
        fetched = re.findall(r'(?:src|href)="([^"]+)"|url\(([^)]+)\)|@import', file.read_text())
        for address in filter(None, (name for pair in fetched for name in pair)):
            assert address.strip("'\"").startswith(("/", "data:")), address
            assert not address.startswith("//")


def test_no_script_is_made_of_words():
    for file in BUILT.rglob("*.js"):
        assert not re.search(r"\beval\(|new Function\(", file.read_text()), file.name
