"""What ``caig cube`` shows in a terminal: how it was asked, verdict and table."""

from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from abtest.cubes.config import CubeConfig
from abtest.cubes.record import Answer
from abtest.reporting.summary import overall_sentence
from caig import text
from caig.contracts.cubes import N_BUCKETS
from caig.contracts.experiments import ALL_CATEGORIES

STYLES = {"win": "bold blue", "loss": "bold dark_orange3", "withheld": "bold yellow"}
MAX_CONTRASTS = 5
WIDTH = 124
APPROXIMATION = (
    f"From {N_BUCKETS:,} buckets of units, not from units: lifts are exact, intervals differ by a "
    "few percent; health is that of the runs that read the log."
)


def print_answer(answered: Answer, config: CubeConfig, *, n_cubes: int) -> None:
    """Print verdicts and tables; names from the log are printed as they are, without markup.

    Args:
        answered: What cubes say.
        config: What was asked.
        n_cubes: Cubes that were added up.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH  # a file or a pipe has no width of its own to fit
    console.print(Text(APPROXIMATION, "dim"))
    if n_cubes > 1:
        added = f"{n_cubes} cubes added up; their sum is in the run, which may be named instead"
        console.print(Text(added, "dim"))
    for name in config.health.override:
        console.print(Text(f"Overridden: {text.CHECK_WORDS[name]}", STYLES["withheld"]))
    contrasts = answered.lifts.partition_by("experiment_id", "contrast", maintain_order=True)
    for rows in contrasts[:MAX_CONTRASTS]:
        _print_contrast(console, rows, answered)
    if len(contrasts) > MAX_CONTRASTS:
        console.print()
        more = f"{text.count(len(contrasts))} contrasts in all; the others are in cube_lifts"
        console.print(Text(more, "bold"))


def _print_contrast(console: Console, rows: pl.DataFrame, answered: Answer) -> None:
    overall = rows.row(by_predicate=pl.col("category") == ALL_CATEGORIES, named=True)
    experiment = overall["experiment_id"]
    console.print()
    console.print(_plain(f"{experiment}: {overall['contrast']}, {_days(overall)}", "dim"))
    headline = overall_sentence(overall, tuple(answered.withheld.get(experiment, ())))
    console.print(_plain(headline, STYLES.get(overall["verdict"], "bold")))
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("category", no_wrap=True, max_width=24)
    for heading in ("impressions", "clicks", "lift", "interval", "bootstrap", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=console.width >= WIDTH)
    traffic = pl.col("impressions_control") + pl.col("impressions_treatment")
    named = rows.filter(pl.col("category") != ALL_CATEGORIES).sort(-traffic)
    for row in named.iter_rows(named=True):
        table.add_row(*_cells(row, row["category"]))
    table.add_section()
    table.add_row(*_cells(overall, "Overall"), style="bold")
    console.print(table)
    if named.height:
        console.print(Text("p by category is corrected; intervals are not", "dim"))


def _days(row: dict[str, Any]) -> str:
    span = (row["day_to"] - row["day_from"]).days + 1
    said = f"{row['day_from']} to {row['day_to']}"
    if row["n_days"] < span:
        return f"{said} (only {row['n_days']} of these {span} days are in the cube)"
    return f"{said} ({text.plural(span, 'day')})"


def _cells(row: dict[str, Any], name: str) -> tuple[Text, ...]:
    verdict = text.VERDICT_WORDS[row["verdict"]]
    if row["verdict"] == "flat" and row["rel_lift_mde"] is not None:
        verdict = f"flat (could find {text.lift(row['rel_lift_mde'])})"
    elif row["verdict"] == "insufficient":
        verdict = text.STATUS_WORDS[row["status"]]
    return (
        _plain(name),
        Text(text.count(row["impressions_control"] + row["impressions_treatment"])),
        Text(text.count(row["clicks_control"] + row["clicks_treatment"])),
        Text(text.lift(row["rel_lift"])),
        Text(text.interval(row["rel_lift_ci_lower"], row["rel_lift_ci_upper"])),
        Text(text.interval(row["rel_lift_bootstrap_lower"], row["rel_lift_bootstrap_upper"])),
        Text(text.p_value(row["p_value_adj"])),
        Text(verdict, STYLES.get(row["verdict"], "")),
    )


def _plain(written: str, style: str = "") -> Text:
    return Text(text.printable(written), style)
