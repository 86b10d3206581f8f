"""``everruns config``: the settings and their values."""

from typing import cast

from rich.table import Table

from everruns.commands.finding import DataDirOption
from everruns.commands.output import out
from everruns.commands.serve import ConfigOption
from everruns.settings import Settings
from everruns.settings_loading import check_variables, load_settings


def config(config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Show every setting with its value and environment variable; secrets are masked."""
    check_variables()
    settings = load_settings(config, data_dir=data_dir)
    table = Table("Setting", "Value", "Environment variable", "Meaning")
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        shown = ", ".join(cast("tuple[str, ...]", value)) if type(value) is tuple else str(value)
        table.add_row(name, shown, f"EVERRUNS_{name.upper()}", field.description)
    out.print(table)
