"""What a measurement came to: a table, and the targets it is held against."""

from collections.abc import Sequence
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


def show_targets(out: Console, reports: Sequence[Report]) -> None:
    """Print every target, and whether it was reached."""
    table = Table("Target", "Wanted", "Measured", "Reached", title="Targets", box=box.MARKDOWN)
    for report in reports:
        for target in report.targets:
            reached = "yes" if target.reached else "no"
            table.add_row(
                target.what,
                target.wanted,
                f"{target.value:,.0f}" if abs(target.value) >= 100 else f"{target.value:.3g}",
                reached,
            )
    out.print(table)
