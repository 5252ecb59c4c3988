"""What ``caig lift`` shows in a terminal: progress while it reads, then verdict and table."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from abtest.config import LiftConfig
from abtest.lift import LiftResult
from abtest.reading.ingest import Ingested
from abtest.reading.sources import LogFile, expected_rows
from abtest.reporting.summary import ContrastSummary, Row, summarise
from caig import text
from caig.contracts.experiments import ALL_CATEGORIES

STYLES = {"win": "bold blue", "loss": "bold dark_orange3", "withheld": "bold yellow"}
MAX_CONTRASTS = 5
WIDTH = 124


class ReadingProgress:
    """A bar over the rows of all files, on a terminal only; for text files its length is estimated.

    Args:
        files: Files that will be read, in order.
    """

    def __init__(self, files: Sequence[LogFile]) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("reading"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} rows"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._files = files

    def __enter__(self) -> Self:
        shown = not self._bar.disable
        lengths = [expected_rows(file) for file in self._files] if shown else []
        total = sum(n for n in lengths if n is not None)
        known = shown and None not in lengths
        self._bar.start()
        self._task = self._bar.add_task("read", total=total if known else None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def advance(self, _file: LogFile, rows: int) -> None:
        """Count a batch as read."""
        self._bar.advance(self._task, rows)


def print_result(result: LiftResult, ingested: Ingested, config: LiftConfig) -> None:
    """Print verdicts and tables; names from the log are printed as they are, without markup."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH  # a file or a pipe has no width of its own to fit
    _print_reading(console, ingested)
    for name in config.health.override:
        console.print(Text(f"Overridden: {text.CHECK_WORDS[name]}", STYLES["withheld"]))
    summaries = summarise(result, limit=MAX_CONTRASTS)
    for summary in summaries:
        _print_contrast(console, summary)
    n_contrasts = result.lift_table.filter(pl.col("category") == ALL_CATEGORIES).height
    if n_contrasts > len(summaries):
        _print_rest(console, result, n_contrasts)


def _print_reading(console: Console, ingested: Ingested) -> None:
    said = f"{text.count(ingested.n_rows)} rows read"
    if ingested.n_rows_quarantined:
        used = ingested.n_rows - ingested.n_rows_quarantined
        said += (
            f" = {text.count(used)} used + {text.count(ingested.n_rows_quarantined)} set aside "
            "(quarantine.parquet)"
        )
    if ingested.n_rows_without_impressions:
        said += f"; {text.count(ingested.n_rows_without_impressions)} rows have no impressions"
    console.print(Text(said, "dim"))


def _print_contrast(console: Console, summary: ContrastSummary) -> None:
    console.print()
    console.print(_plain(f"{summary.experiment}: {summary.contrast}", "dim"))
    console.print(_plain(summary.headline, STYLES.get(summary.tone, "bold")))
    for note in summary.notes:
        console.print(_plain(note))
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("category", no_wrap=True, max_width=24)
    is_wide = console.width >= WIDTH
    middle = ("impressions", "CTR control", "CTR treatment") if is_wide else ("impressions",)
    for heading in (*middle, "lift", "interval", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=is_wide)
    for row in summary.categories:
        table.add_row(*_cells(row, row["category"], row["p_value_adj"], is_wide=is_wide))
    overall = _cells(summary.overall, "Overall", summary.overall["p_value_adj"], is_wide=is_wide)
    table.add_section()
    table.add_row(*overall, style="bold")
    console.print(table)
    if summary.categories:
        console.print(Text("p by category is corrected; intervals are not", "dim"))


def _cells(row: Row, name: str, p_value: float | None, *, is_wide: bool) -> tuple[Text, ...]:
    verdict = text.VERDICT_WORDS[row["verdict"]]
    if row["verdict"] == "flat" and row["rel_lift_mde"] is not None:
        verdict = f"flat (could find {text.lift(row['rel_lift_mde'])})"
    elif row["verdict"] == "insufficient":
        verdict = text.STATUS_WORDS[row["status"]]
    rates = (Text(text.ctr(row["control_ctr"])), Text(text.ctr(row["treatment_ctr"])))
    return (
        _plain(name),
        Text(text.count(row["impressions_control"] + row["impressions_treatment"])),
        *(rates if is_wide else ()),
        Text(text.lift(row["rel_lift"])),
        Text(text.interval(row["rel_lift_ci_lower"], row["rel_lift_ci_upper"])),
        Text(text.p_value(p_value)),
        Text(verdict, STYLES.get(row["verdict"], "")),
    )


def _plain(written: str, style: str = "") -> Text:
    return Text(text.printable(written), style)


def _print_rest(console: Console, result: LiftResult, n_contrasts: int) -> None:
    overall = result.lift_table.filter(pl.col("category") == ALL_CATEGORIES)
    found = dict(overall.group_by("verdict").len().sort("verdict").iter_rows())
    verdicts = ", ".join(f"{text.VERDICT_WORDS[v]} {text.count(n)}" for v, n in found.items())
    console.print()
    console.print(
        Text(f"{text.count(n_contrasts)} contrasts in all, by overall verdict: {verdicts}", "bold")
    )
    checks = result.health.checks
    unhealthy = checks.filter(pl.col("status") == "unhealthy").group_by("check").len().sort("check")
    for check, number in unhealthy.iter_rows():
        total = checks.filter(pl.col("check") == check).height
        console.print(
            Text(f"{text.CHECK_WORDS[check]}: unhealthy in {number:,} of {total:,} experiments")
        )
