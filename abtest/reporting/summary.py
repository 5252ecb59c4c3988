"""What a lift analysis says, in words: the same sentences for console, HTML and Markdown.

A sentence says what the statistics allow and no more: "no significant difference" comes with the
lift that could have been found, and a failed health check comes before any lift.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from caig import text
from caig.contracts.experiments import ALL_CATEGORIES

if TYPE_CHECKING:  # sentences are also said of tables alone, without importing the analysis
    from abtest.lift import LiftResult

Row = dict[str, Any]
CONTRAST = ("experiment_id", "contrast")
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


def summarise(result: "LiftResult", *, limit: int | None = None) -> list[ContrastSummary]:
    """Summaries of the contrasts of a result, in the table's order.

    Args:
        result: A lift analysis.
        limit: Only the first so many.
    """
    overall_rows = result.lift_table.filter(pl.col("category") == ALL_CATEGORIES)
    wanted = overall_rows.head(limit or overall_rows.height)
    rows = _RowsOf.result(result, wanted)
    return [_summary(rows, row) for row in wanted.iter_rows(named=True)]


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


def category_sentence(row: Row) -> str:
    """What may be said of one category, and no more.

    Args:
        row: Row of ``lift_table/1``.
    """
    name = row["category"]
    if row["verdict"] == "withheld":
        return f"{name}: no verdict, because the experiment is not healthy"
    if row["status"] != "ok":
        return f"{name}: cannot be judged ({text.STATUS_WORDS[row['status']]})"
    figures = f"lift {text.lift(row['rel_lift'])} {_interval(row)}"
    corrected = f"corrected p {text.p_value(row['p_value_adj'])}"
    if row["verdict"] == "flat":
        found = (
            f"; a lift of {text.lift(row['rel_lift_mde'])} would have been found with 80 % power"
            if row["rel_lift_mde"] is not None
            else ""
        )
        return f"{name}: no significant difference ({figures}, {corrected}){found}"
    change = "higher" if row["verdict"] == "win" else "lower"
    return (
        f"{name}: CTR is {change} under treatment, {text.ctr(row['treatment_ctr'])} against "
        f"{text.ctr(row['control_ctr'])} ({figures}, {corrected})"
    )


class _RowsOf(NamedTuple):
    """Rows of a result's tables by contrast (and by experiment, where a table has no contrast)."""

    categories: dict[Any, list[Row]]
    daily: dict[Any, list[Row]]
    per_unit: dict[Any, list[Row]]
    spread: dict[Any, list[Row]]
    unhealthy: dict[Any, list[Row]]
    without_bots: dict[Any, list[Row]]
    withheld: dict[str, list[str]]

    @classmethod
    def result(cls, result: "LiftResult", wanted: pl.DataFrame) -> "_RowsOf":
        """Gather the rows of the contrasts in ``wanted``, each table read once."""
        is_overall = pl.col("category") == ALL_CATEGORIES
        traffic = pl.col("impressions_control") + pl.col("impressions_treatment")
        unhealthy = result.health.checks.filter(pl.col("status") == "unhealthy")

        without_bots = result.without_bots
        if without_bots is None:
            without_bots = result.lift_table.clear()

        def gathered(table: pl.DataFrame, key: tuple[str, ...]) -> dict[Any, list[Row]]:
            kept = table.join(
                wanted.select(key).unique(), on=key, how="semi", maintain_order="left"
            )
            found: dict[Any, list[Row]] = {}
            for row in kept.iter_rows(named=True):
                found.setdefault(tuple(row[name] for name in key), []).append(row)
            return found

        return cls(
            gathered(result.lift_table.filter(~is_overall).sort(-traffic), CONTRAST),
            gathered(result.lift_daily.filter(is_overall).sort("day"), CONTRAST),
            gathered(result.unit_metrics, CONTRAST),
            gathered(result.heterogeneity, CONTRAST),
            gathered(unhealthy, CONTRAST[:1]),
            gathered(without_bots.filter(is_overall), CONTRAST),
            result.withheld,
        )


def _summary(rows: _RowsOf, overall: Row) -> ContrastSummary:
    experiment, contrast = overall["experiment_id"], overall["contrast"]
    key = (experiment, contrast)
    failed = tuple(rows.withheld.get(experiment, ()))
    return ContrastSummary(
        experiment=experiment,
        contrast=contrast,
        headline=overall_sentence(overall, failed),
        tone=overall["verdict"],
        notes=tuple(_notes(rows, key)),
        overall=overall,
        categories=tuple(rows.categories.get(key, ())),
        daily=tuple(rows.daily.get(key, ())),
        per_unit=tuple(rows.per_unit.get(key, ())),
    )


def _notes(rows: _RowsOf, key: tuple[str, str]) -> list[str]:
    notes = [
        f"{text.CHECK_WORDS[check['check']]} is unhealthy: {check['detail']}."
        for check in rows.unhealthy.get(key[:1], ())
    ]
    is_withheld = key[0] in rows.withheld
    if not is_withheld:  # a lift beside a withheld verdict would be taken for one
        notes += _bot_notes(rows.without_bots.get(key, ()))
    notes += _exposure_notes(rows.per_unit.get(key, ()))
    categories = rows.categories.get(key, [])
    if not categories:
        return notes
    found = Counter(row["verdict"] for row in categories)
    noun = text.plural(len(categories), "category", "categories")
    notes.append(f"{noun}: {text.tally(found)} ({categories[0]['adjustment']}).")
    spread = () if is_withheld else rows.spread.get(key, ())
    return [*notes, *(_spread_sentence(row, categories[0]["alpha"]) for row in spread)]


def _bot_notes(overall: Iterable[Row]) -> list[str]:
    """The lift without bot-like units, where there are any.

    Args:
        overall: Overall rows of the lift table without them.
    """
    return [
        f"Without the units that behave like bots: lift {text.lift(row['rel_lift'])} "
        f"{_interval(row)}, p {text.p_value(row['p_value'])} (lift_table_without_bots)."
        for row in overall
    ]


def _exposure_notes(metrics: Iterable[Row]) -> list[str]:
    """A warning where treatment changed how many impressions a unit gets.

    Args:
        metrics: Rows of ``unit_metrics/1`` of one contrast.
    """
    return [
        f"Treatment's units saw {text.lift(row['rel_lift'])} {_interval(row)} impressions "
        f"(p {text.p_value(row['p_value'])}): CTR's divisor is itself an effect; read clicks per "
        "unit beside it."
        for row in metrics
        if row["metric"] == "impressions_per_unit"
        and row["p_value"] is not None
        and row["p_value"] < EXPOSURE_ALPHA
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
