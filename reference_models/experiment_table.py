"""The published table of an online experiment: all categories and the top five, arm by arm.

Estimates are of ``caig lift``, which has not seen the truth that stands beside them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from caig import text
from caig.config import Config
from caig.contracts.experiments import ALL_CATEGORIES
from caig.runs.store import Run, RunWriter

Row = dict[str, Any]

SIGNIFICANT = ("win", "loss")


def record_table(runs: Path, experiment: Run, analysis: Run) -> tuple[Path, str]:
    """Write the table as a run.

    Args:
        runs: Folder of all runs.
        experiment: Run of ``caig experiment``.
        analysis: Run of ``caig lift`` on its log, control as there.

    Returns:
        The run's folder, and the table as Markdown.
    """
    table = online_table(experiment, analysis)
    inputs = {"experiment": experiment, "lift": analysis}
    with RunWriter(runs, "experiment-table", Config(), inputs=inputs) as run:
        run.write_text("table", "table.md", f"{table}\n", "text/markdown")
        for row in _overall(experiment, analysis).iter_rows(named=True):
            run.add_metric(f"rel_lift {row['arm']}", row["rel_lift"])
            run.add_metric(f"true_lift {row['arm']}", row["true_lift"])
    return run.path, table


def online_table(experiment: Run, analysis: Run) -> str:
    """The table as Markdown, its columns as wide as they are in a terminal.

    Args:
        experiment: Run of ``caig experiment``.
        analysis: Run of ``caig lift`` on its log.
    """
    truth = experiment.table("online_truth")
    control = truth.filter("is_control")["arm"][0]
    treatments = truth.filter(~pl.col("is_control"))["arm"].unique(maintain_order=True).to_list()
    top = _with_truth(analysis.table("top_categories"), truth, control)
    is_withheld = "withheld" in top["verdict"].to_list()
    parts = [
        "# The online week",
        _setting(experiment, truth, control),
        _health(analysis) if is_withheld else "",
        "## All categories, and those with the most traffic",
        _lifts(top, treatments),
        _notes(analysis),
        "" if is_withheld else _selected(analysis, top, treatments),
        "## The arms",
        _arms(analysis, truth, [control, *treatments], is_withheld=is_withheld),
        "" if is_withheld else _agreement(analysis, truth, control, treatments),
    ]
    return "\n\n".join(part for part in parts if part)


def _with_truth(lifts: pl.DataFrame, truth: pl.DataFrame, control: str) -> pl.DataFrame:
    """Rows of a table by contrast, with ``arm`` and ``true_lift``."""
    contrast = pl.col("arm") + f" vs {control}"
    planted = truth.select("category", "arm", contrast.alias("contrast"), true_lift="rel_lift")
    return lifts.join(planted, on=["category", "contrast"], how="inner", maintain_order="left")


def _overall(experiment: Run, analysis: Run) -> pl.DataFrame:
    truth = experiment.table("online_truth")
    control = truth.filter("is_control")["arm"][0]
    table = _with_truth(analysis.table("lift_table"), truth, control)
    return table.filter(pl.col("category") == ALL_CATEGORIES)


def _setting(experiment: Run, truth: pl.DataFrame, control: str) -> str:
    config, log = experiment.manifest.config, experiment.table("impression_log")
    whole = truth.filter(pl.col("category") == ALL_CATEGORIES)
    left_out = int(experiment.manifest.metrics["products_left_out"])
    out = f" ({text.plural(left_out, 'product')} left out: not in every arm)" if left_out else ""
    n_categories = truth["category"].n_unique() - 1
    return (
        f"{text.plural(config['n_days'], 'day')} of the simulated shop, "
        f"{text.plural(log['unit_id'].n_unique(), 'user')} with "
        f"{int(log['n_impressions'].sum()):,} impressions, "
        f"{text.plural(n_categories, 'category', 'categories')}, "
        f"{text.plural(whole['n_products'][0], 'product')}{out}. Control is {control}. "
        "The planted lift is what is true of the ads shown; the analysis has not seen it."
    )


def _health(analysis: Run) -> str:
    found = analysis.table("health").filter(pl.col("status") == "unhealthy")
    said = [f"{text.CHECK_WORDS[row['check']]}: {row['detail']}" for row in found.to_dicts()]
    return "Verdicts are withheld, as the experiment is not healthy. " + " ".join(said)


def _lifts(top: pl.DataFrame, treatments: Sequence[str]) -> str:
    heading = ["category", "traffic"]
    for arm in treatments:
        heading += [f"{arm}: lift", "interval", "p", "planted"]
    rows = []
    for (category,), cells in top.sort("rank").group_by("category", maintain_order=True):
        by_arm = {row["arm"]: row for row in cells.to_dicts()}
        share = next(iter(by_arm.values()))["traffic_share"]
        row = [_name(str(category)), text.percent(share)]
        for arm in treatments:
            row += _lift_cells(by_arm[arm])
        rows.append(row)
    return _markdown(heading, rows)


def _lift_cells(row: Row) -> list[str]:
    return [
        text.lift(row["rel_lift"]),
        text.interval(row["rel_lift_ci_lower"], row["rel_lift_ci_upper"]),
        text.p_value(row["p_value_adj"]),
        text.lift(row["true_lift"]),
    ]


def _notes(analysis: Run) -> str:
    table = analysis.table("lift_table")
    is_whole = pl.col("category") == ALL_CATEGORIES
    alpha = table["alpha"][0]
    within, whole = (table.filter(rule)["adjustment"][0] for rule in (~is_whole, is_whole))
    return (
        f"Intervals hold for one row each, at {1 - alpha:.0%}: {table['ci_method'][0]}. p: "
        f"categories by {within}, all together by {whole}. The categories are picked by their "
        "traffic, not by their lift, so the picking makes no lift look larger."
    )


def _selected(analysis: Run, top: pl.DataFrame, treatments: Sequence[str]) -> str:
    """What the winner's curse leaves of the rows called significant."""
    key = ["contrast", "category"]
    corrected = analysis.table("selected_lifts").drop("experiment_id", "rel_lift")
    found = top.join(corrected, on=key, how="inner", maintain_order="left")
    if found.is_empty():
        return "None of these categories is called significant."
    order = pl.col("arm").cast(pl.Enum(treatments))
    rows = [
        [
            _name(row["category"]),
            row["arm"],
            text.lift(row["rel_lift"]),
            text.lift(row["rel_lift_corrected"]),
            text.interval(row["rel_lift_corrected_ci_lower"], row["rel_lift_corrected_ci_upper"]),
            text.lift(row["true_lift"]),
        ]
        for row in found.sort("rank", order).iter_rows(named=True)
    ]
    heading = ["category", "arm", "lift", "corrected", "interval", "planted"]
    return (
        "A category that is called significant looks better or worse than it is, as it was called "
        "so for its estimate (the winner's curse). Corrected for that, with intervals that hold "
        f"given that it was called so:\n\n{_markdown(heading, rows)}"
    )


def _arms(analysis: Run, truth: pl.DataFrame, names: Sequence[str], *, is_withheld: bool) -> str:
    whole = truth.filter(pl.col("category") == ALL_CATEGORIES)
    planted = {row["arm"]: row for row in whole.to_dicts()}
    seen = {row["arm"]: row for row in analysis.table("arm_summary").to_dicts()}
    compared = {row["arm"]: row for row in analysis.table("arm_comparison").to_dicts()}
    rows = []
    for name in names:
        true, arm, lift = planted[name], seen[name], compared[name]
        decided = [text.p_value(lift["p_value_dunnett"]), text.percent(lift["p_best"])]
        rows.append(
            [
                name,
                text.ctr(arm["ctr"]),
                text.ctr(true["true_ctr"]),
                text.interval(lift["rel_lift_ci_lower"], lift["rel_lift_ci_upper"]),
                text.UNKNOWN if true["is_control"] else text.lift(true["rel_lift"]),
                *([text.UNKNOWN] * 2 if is_withheld else decided),
                text.percent(true["suits_share"]),
                text.percent(true["bare_share"]),
            ]
        )
    heading = ["arm", "CTR", "planted CTR", "lift (Dunnett)", "planted lift", "p", "best"]
    table = _markdown([*heading, "scene suits", "bare"], rows)
    return (
        f"{table}\n\nLifts over control by Dunnett's intervals, which hold for all arms together, "
        "and his p-value. Best: chance of having the highest CTR. Scene suits, bare: shares of "
        "impressions, in truth."
    )


def _agreement(analysis: Run, truth: pl.DataFrame, control: str, treatments: Sequence[str]) -> str:
    """How often the analysis was right, over all categories of all arms."""
    table = _with_truth(analysis.table("lift_table"), truth, control)
    cells = table.filter(
        (pl.col("category") != ALL_CATEGORIES) & pl.col("rel_lift_ci_lower").is_not_null()
    )
    # A missing upper limit is unbounded.
    holds = (pl.col("true_lift") >= pl.col("rel_lift_ci_lower")) & (
        pl.col("true_lift") <= pl.col("rel_lift_ci_upper").fill_null(float("inf"))
    )
    claims = cells.filter(pl.col("verdict").is_in(SIGNIFICANT))
    right = claims.filter(pl.col("rel_lift").sign() == pl.col("true_lift").sign())
    n_cells = text.plural(cells.height, "category interval")
    return (
        f"Over {text.plural(len(treatments), 'treatment')}, {cells.filter(holds).height} of "
        f"{n_cells} hold the planted lift (promised: {1 - table['alpha'][0]:.0%}); "
        f"{right.height} of {claims.height} significant ones point the right way."
    )


def _name(category: str) -> str:
    return "All categories" if category == ALL_CATEGORIES else category


def _markdown(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns are aligned; figures to the right."""
    cells = [[text.printable(cell).replace("|", "\\|") for cell in row] for row in (heading, *rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(heading))]
    is_name = [heading[k] in ("category", "arm") for k in range(len(heading))]

    def line(row: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(row, widths, is_name, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    rules = (
        "-" * w if left else "-" * (w - 1) + ":" for w, left in zip(widths, is_name, strict=True)
    )
    return "\n".join([line(cells[0]), f"| {' | '.join(rules)} |", *map(line, cells[1:])])
