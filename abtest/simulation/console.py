"""What ``caig simulate`` shows in a terminal: progress, then the table of rates."""

from collections.abc import Iterable, Iterator

import polars as pl
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from abtest.simulation.running import Finished

WIDTH = 140
SCENARIO_WORDS = {
    "aa": "A/A: no lift anywhere",
    "ab": "A/B: a lift in every category",
    "mixture": "Mixture: a lift in some categories",
}
FIGURE_WORDS = {
    "false_positive": "p below alpha",
    "any_false_positive": "any category with p below alpha",
    "any_claim": "any category claimed after correction",
    "stops_some_day": "interval excludes no lift on some day",
    "covers_truth": "interval covers the truth",
    "covers_truth_every_day": "interval covers the truth every day",
    "power": "lift claimed with the right sign",
    "false_discovery_rate": "false discovery rate",
    "claims_of_no_lift": "claims where there is no lift",
    "claims_of_wrong_sign": "claims with the wrong sign",
    "not_tested": "cells not tested",
    "verdicts_withheld": "verdicts withheld by a health check",
}
PROMISE_WORDS = {"equal": "", "at_most": "at most ", "at_least": "at least "}


def shown(finished: Iterable[Finished], total: int) -> Iterator[Finished]:
    """``finished`` with a bar, on a terminal only.

    Args:
        finished: Experiments as they are done.
        total: How many there will be.
    """
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("simulating"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("experiments"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("simulate", total=total)
        for one in finished:
            yield one
            bar.advance(task)


def print_rates(rates: pl.DataFrame) -> None:
    """Print the rates by scenario; those of single categories are in the table only."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH  # a file or a pipe has no width of its own to fit
    listed = rates.filter(pl.col("scope") != "one_category")
    for scenario in listed["scenario"].unique(maintain_order=True):
        rows = listed.filter(pl.col("scenario") == scenario)
        table = Table(box=None, header_style="dim", pad_edge=False)
        table.add_column(SCENARIO_WORDS[scenario])
        for heading in ("by", "method"):
            table.add_column(heading)
        for heading in ("rate", "interval", "promised", "events", "of"):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in rows.iter_rows(named=True):
            table.add_row(*_cells(row))
        console.print()
        console.print(table)
    console.print()
    console.print(
        Text("95 % Monte Carlo intervals; experiments, not cells, are independent", "dim")
    )


def _cells(row: dict[str, object]) -> tuple[str, ...]:
    interval = f"{_percent(row['rate_ci_lower'])} to {_percent(row['rate_ci_upper'])}"
    promised = ""
    if row["promised"] is not None:
        promised = PROMISE_WORDS[str(row["promise"])] + _percent(row["promised"])
    return (
        FIGURE_WORDS[str(row["figure"])],
        str(row["scope"]),
        str(row["method"]),
        _percent(row["rate"]),
        interval if row["rate"] is not None else "",
        promised,
        f"{row['events']:,.4g}" if float(str(row["events"])) % 1 else f"{row['events']:,.0f}",
        f"{row['trials']:,}",
    )


def _percent(value: object) -> str:
    return "-" if value is None else f"{float(str(value)):.2%}"
