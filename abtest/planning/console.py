"""What ``caig plan`` shows in a terminal: the answer, its notes and the table."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from caig import text

WIDTH = 124


def print_plan(view: dict[str, Any]) -> None:
    """Print a plan's view; names from a log are printed as they are, without markup."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH  # a file or a pipe has no width of its own to fit
    console.print(_plain(view["headline"], "bold"))
    for note in view["notes"]:
        console.print(_plain(note))
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("category", no_wrap=True, max_width=24)
    for heading in (
        "CTR",
        "impressions/day",
        "design effect",
        f"days for {view['target']}",
        f"power, {view['days']} days",
        "detectable",
    ):
        table.add_column(heading, justify="right")
    table.add_column("")
    for row in view["rows"]:
        if row["overall"]:
            table.add_section()
        cells = (
            "category",
            "ctr",
            "impressions_per_day",
            "design_effect",
            "days_needed",
            "power_at_days",
            "mde",
            "words",
        )
        table.add_row(
            *(_plain(row[name]) for name in cells), style="bold" if row["overall"] else ""
        )
    console.print(table)


def _plain(written: str, style: str = "") -> Text:
    return Text(text.printable(written), style)
