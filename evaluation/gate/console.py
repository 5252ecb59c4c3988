"""What ``caig gate`` shows in a terminal: the verdict, and one line of reason a check."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from caig import text
from caig.contracts.records import GateReport
from evaluation.gate.words import STATUS_WORDS, name_of

WIDTH = 124
STYLES = {"pass": "green", "fail": "bold red", "waived": "dim"}


def print_gate(report: GateReport) -> None:
    """Print a verdict; names are printed as they are, without markup."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH  # a file or a pipe has no width of its own to fit
    console.print(_plain(report.headline, "bold"))
    for note in report.notes:
        console.print(_plain(note))
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("outcome", "check", "required", "found"):
        table.add_column(heading, overflow="fold")
    for check in report.checks:
        table.add_row(
            _plain(
                STATUS_WORDS[check.status] + ("" if check.blocking else " (warns)"),
                STYLES.get(check.status, "yellow"),
            ),
            _plain(name_of(check)),
            _plain(check.required),
            _plain(check.reason),
        )
    console.print(table)


def _plain(written: str, style: str = "") -> Text:
    return Text(text.printable(written), style)
