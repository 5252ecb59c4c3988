"""What ``caig evaluate`` shows in a terminal: the answer, its notes and the table of scorers."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from caig import text

WIDTH = 124


def print_evaluation(view: dict[str, Any]) -> None:
    """Print an evaluation's view; names are printed as they are, without markup."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH  # a file or a pipe has no width of its own to fit
    console.print(_plain(view["headline"], "bold"))
    for note in view["notes"]:
        console.print(_plain(note))
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("scorer", no_wrap=True, max_width=32)
    columns = {
        "kind": "",
        "accuracy": "accuracy",
        "interval": "interval",
        "ceiling": "ceiling",
        "skill": "skill share",
        "skill_interval": "interval",
        "corrected": "true order",
        "n": "pairs",
        "n_unscored": "unscored",
    }
    for heading in columns.values():
        table.add_column(heading, justify="right" if heading else "left")
    for row in view["scorers"]:
        table.add_row(*(_plain(row[name]) for name in ("name", *columns)))
    console.print(table)


def _plain(written: str, style: str = "") -> Text:
    return Text(text.printable(written), style)
