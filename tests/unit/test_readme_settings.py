"""The README's table of settings is what the settings are."""

from pathlib import Path

from everruns.settings import Settings

README = Path(__file__).parents[2] / "README.md"


def settings_table() -> str:
    """Return the table as the README must print it."""
    rows = ["| Setting | Default | Meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = "" if default in (None, ()) else str(default).replace(str(Path.home()), "~")
        if isinstance(default, bool):
            shown = shown.lower()
        rows.append(f"| `{name}` | {f'`{shown}`' if shown else ''} | {field.description} |")
    return "\n".join(rows)


def test_the_readme_lists_every_setting_with_its_default() -> None:
    assert settings_table() in README.read_text()
