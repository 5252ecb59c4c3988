"""What a lift analysis says, in words: the same sentences for console, HTML and Markdown.

A sentence says what the statistics allow and no more: "no significant difference" comes with the
lift that could have been found, and a failed health check comes before any lift.
"""

from dataclasses import dataclass
from typing import Any

import polars as pl

from abtest.lift import LiftResult
from caig import text
from caig.contracts.experiments import ALL_CATEGORIES

Row = dict[str, Any]
EXPOSURE_ALPHA = 0.001
"""A changed number of impressions is noted below this p-value, as a sample ratio is."""


@dataclass(frozen=True)
class ContrastSummary:
    """One treatment against control in one experiment.

    Attributes:
        experiment: Experiment.
        contrast: ``treatment vs control``.
        headline: The sentence a meeting begins with.
        tone: ``win``, ``loss``, ``flat``, ``insufficient`` or ``withheld``: how to colour it.
        notes: Further sentences: by category, and what is not healthy.
        overall: Overall row of the lift table.
        categories: Rows by category, most traffic first.
        daily: Overall rows of the daily table, by day.
        per_unit: Rows of ``unit_metrics/1``.
    """

    experiment: str
    contrast: str
    headline: str
    tone: str
    notes: tuple[str, ...]
    overall: Row
    categories: tuple[Row, ...]
    daily: tuple[Row, ...]
    per_unit: tuple[Row, ...]


def summarise(result: LiftResult, *, limit: int | None = None) -> list[ContrastSummary]:
    """Summaries of the contrasts of a result, in the table's order.

    Args:
        result: A lift analysis.
        limit: Only the first so many.
    """
    overall_rows = result.lift_table.filter(pl.col("category") == ALL_CATEGORIES)
    return [
        _summary(result, row)
        for row in overall_rows.head(limit or overall_rows.height).iter_rows(named=True)
    ]


def overall_sentence(row: Row, failed: tuple[str, ...] = ()) -> str:
    """The headline for an overall row.

    Args:
        row: Row of ``lift_table/1``.
        failed: Names of the health checks that withhold its verdict.
    """
    if row["verdict"] == "withheld":
        names = ", ".join(text.CHECK_WORDS[name].lower() for name in failed)
        return f"No verdict: the experiment is not healthy ({names})"
    if row["status"] != "ok":
        return f"No verdict: {text.STATUS_WORDS[row['status']]}"
    figures = f"{text.lift(row['rel_lift'])} {_interval(row)}, p {text.p_value(row['p_value_adj'])}"
    sentence = f"{text.OVERALL_WORDS[row['verdict']]}: lift {figures}"
    if row["verdict"] != "flat" or row["rel_lift_mde"] is None:
        return sentence
    detectable = text.lift(row["rel_lift_mde"])
    return f"{sentence}; a lift of {detectable} would have been found with 80 % power"


def _summary(result: LiftResult, overall: Row) -> ContrastSummary:
    experiment, contrast = overall["experiment_id"], overall["contrast"]
    is_this = (pl.col("experiment_id") == experiment) & (pl.col("contrast") == contrast)
    is_overall = pl.col("category") == ALL_CATEGORIES
    categories = result.lift_table.filter(is_this & ~is_overall).sort(
        pl.col("impressions_control") + pl.col("impressions_treatment"), descending=True
    )
    failed = tuple(result.withheld.get(experiment, ()))
    return ContrastSummary(
        experiment=experiment,
        contrast=contrast,
        headline=overall_sentence(overall, failed),
        tone=overall["verdict"],
        notes=tuple(_notes(result, experiment, contrast, categories)),
        overall=overall,
        categories=tuple(categories.iter_rows(named=True)),
        daily=tuple(
            result.lift_daily.filter(is_this & is_overall).sort("day").iter_rows(named=True)
        ),
        per_unit=tuple(result.unit_metrics.filter(is_this).iter_rows(named=True)),
    )


def _notes(
    result: LiftResult, experiment: str, contrast: str, categories: pl.DataFrame
) -> list[str]:
    unhealthy = result.health.checks.filter(
        (pl.col("experiment_id") == experiment) & (pl.col("status") == "unhealthy")
    )
    notes = [
        f"{text.CHECK_WORDS[check]} is unhealthy: {detail}."
        for check, detail in unhealthy.select("check", "detail").iter_rows()
    ]
    is_this = (pl.col("experiment_id") == experiment) & (pl.col("contrast") == contrast)
    notes += _exposure_notes(result.unit_metrics.filter(is_this))
    if categories.is_empty():
        return notes
    found = dict(categories.group_by("verdict").len().iter_rows())
    adjustment = categories["adjustment"][0]
    noun = text.plural(categories.height, "category", "categories")
    notes.append(f"{noun}: {text.tally(found)} ({adjustment}).")
    spread = result.heterogeneity.filter(is_this)
    alpha = categories["alpha"][0]
    return [*notes, *(_spread_sentence(row, alpha) for row in spread.iter_rows(named=True))]


def _exposure_notes(metrics: pl.DataFrame) -> list[str]:
    """A warning where treatment changed how many impressions a unit gets.

    Args:
        metrics: Rows of ``unit_metrics/1`` of one contrast.
    """
    changed = metrics.filter(
        (pl.col("metric") == "impressions_per_unit") & (pl.col("p_value") < EXPOSURE_ALPHA)
    )
    return [
        f"Treatment's units saw {text.lift(row['rel_lift'])} {_interval(row)} impressions "
        f"(p {text.p_value(row['p_value'])}): CTR's divisor is itself an effect; read clicks per "
        "unit beside it."
        for row in changed.iter_rows(named=True)
    ]


def _spread_sentence(row: Row, alpha: float) -> str:
    """Whether the treatment does the same everywhere.

    Args:
        row: Row of ``heterogeneity/1``.
        alpha: Level of the test.
    """
    test = f"Q {row['q']:.0f} on {row['n_categories'] - 1} degrees of freedom"
    p_value = text.p_value(row["p_value"])
    if row["p_value"] >= alpha:
        return f"Categories need not differ in their lift ({test}, p {p_value})."
    return (
        f"Categories differ in their lift ({test}, p {p_value}): true lifts have a mean of "
        f"{text.lift(row['mean_lift'])} and a standard deviation of {text.percent(row['tau'])}."
    )


def _interval(row: Row) -> str:
    return text.interval(row["rel_lift_ci_lower"], row["rel_lift_ci_upper"])
