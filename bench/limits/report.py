"""What a measurement came to: a table, and the targets it is held against."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Target:
    """A figure and the bound that it should keep.

    Attributes:
        what: The figure, with its unit.
        value: What was measured.
        bound: What it should be at most, or at least.
        at_least: Whether more is better.
    """

    what: str
    value: float
    bound: float
    at_least: bool = False

    @property
    def reached(self) -> bool:
        """Whether the figure keeps the bound."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    @property
    def shown(self) -> str:
        """What was measured, and whether the bound was missed."""
        value = f"{self.value:,.0f}" if abs(self.value) >= 100 else f"{self.value:.3g}"
        return value if self.reached else f"{value} (missed)"

    @property
    def wanted(self) -> str:
        """The bound in words."""
        return f"at {'least' if self.at_least else 'most'} {self.bound:g}"


@dataclass(frozen=True)
class Report:
    """One measurement.

    Attributes:
        title: What was measured.
        columns: The heads of the table.
        rows: Its cells, as they are shown.
        targets: What is asked of it.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    targets: Sequence[Target] = ()


def show(out: Console, report: Report) -> None:
    """Print a measurement's table, in a form that can be copied into a document."""
    table = Table(*report.columns, title=report.title, box=box.MARKDOWN)
    for row in report.rows:
        table.add_row(*row)
    out.print(table)


def show_targets(out: Console, reports: Mapping[str, Sequence[Report]]) -> None:
    """Print every target, and what was measured of each version, by the version's name."""
    table = Table("Target", "Wanted", *reports, title="Targets", box=box.MARKDOWN)
    versions = [
        [target for report in each for target in report.targets] for each in reports.values()
    ]
    for targets in zip(*versions, strict=True):
        table.add_row(targets[0].what, targets[0].wanted, *(target.shown for target in targets))
    out.print(table)
