"""Sentences of the pages. They hold figures and fixed words only, never a text from the log.

So they may stand in headings and labels, which Streamlit reads as Markdown; texts from the log go
through ``st.text`` and tables instead.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from caig import text
from caig.contracts.experiments import VERDICTS, WITHHOLDING_CHECKS

Row = Mapping[str, Any]

MARKS = {"win": "▲", "flat": "●", "loss": "▼", "insufficient": "○", "withheld": "○"}
"""The shape of a verdict in text; charts draw the same."""

LIKELY_CAUSES = {
    "sample_ratio": (
        "A redirect or a slower page in one arm loses units before they are logged.",
        "Bots, or a filter applied after assignment, remove more from one arm.",
        "The split changed while the experiment ran, or the declared split is not the real one.",
        "Exposure is logged at another moment in one arm than in the other.",
    ),
    "sample_ratio_by_category": (
        "The treatment changes which category units see first; then the overall ratio is healthy.",
        "Assignment or logging fails in one surface or category only.",
        "Creatives of one arm are missing in a category, so that its units are not logged.",
    ),
    "sample_ratio_sequential": (
        "The causes of a sample ratio; what was released or changed on the day named above.",
        "Units were lost for some days only: then the ratio over the whole period may be healthy.",
    ),
    "traffic_by_day": (
        "The split was changed, or an arm was ramped up, while the experiment ran.",
        "An arm was paused, or its logging was down, on some days.",
        "One arm's new units arrive in the log later than the other's.",
    ),
    "impressions_per_unit": (
        "The treatment changes how much units see: read clicks per unit beside CTR.",
        "Impressions are logged otherwise in one arm, e.g. twice or only when visible.",
    ),
    "units_in_two_arms": (
        "Units are identified differently before and after sign-in, or identifiers are reused.",
        "Assignment is not sticky: a unit is assigned again on another day or device.",
        "Two experiments write under the same name.",
    ),
    "missing_days": (
        "The log was exported before all days had arrived, or a day's partition is missing.",
        "The experiment was paused, or logging was down.",
    ),
    "bot_like_units": (
        "Crawlers and monitoring share the log with people.",
        "Many people share one unit, e.g. an empty or a default identifier.",
        "A page reloads or logs its impressions in a loop.",
    ),
    "duplicate_impressions": (
        "A part of the log was read or exported twice.",
        "Impressions are sent again when the network fails.",
    ),
    "exposure_before_assignment": (
        "Rows from before the experiment were given the arm their unit got later.",
        "Assignment is logged later than the first exposure, or in another time zone.",
    ),
}

STATISTIC_WORDS = {
    "sample_ratio": "Chi-square",
    "sample_ratio_by_category": "Chi-square",
    "sample_ratio_sequential": "Log Bayes factor",
    "traffic_by_day": "Chi-square",
    "impressions_per_unit": "F",
}
"""Statistics of the checks that are judged by a p-value."""


def nevertheless(health: pl.DataFrame) -> str:
    """Why verdicts are given although a check is unhealthy.

    Args:
        health: Rows of ``health/1``, at least one of them unhealthy.
    """
    unhealthy = health.filter(pl.col("status") == "unhealthy")["check"]
    overridden = [text.CHECK_WORDS[name] for name in unhealthy if name in WITHHOLDING_CHECKS]
    if overridden:
        return f"Verdicts are given because this check was overridden: {', '.join(overridden)}."
    return "Verdicts are given: this does not make the arms incomparable."


def headline(overall: Row) -> str:
    """What the data allow one to say, in one sentence.

    Args:
        overall: Overall row of ``lift_table/1``.
    """
    if overall["verdict"] == "withheld":
        return "No verdict: the experiment is not healthy"
    if overall["status"] != "ok":
        return f"No verdict: {text.STATUS_WORDS[overall['status']]}"
    figures = figures_of(overall)
    return f"{text.OVERALL_WORDS[overall['verdict']]}: {figures}"


def figures_of(row: Row) -> str:
    """Lift and interval of a row: ``+5.1 % [+3.0, +7.2] %``."""
    if row["rel_lift"] is None and row["rel_lift_ci_lower"] is None:
        # The first of several reasons: the whole sentence stands in the table.
        return text.STATUS_WORDS[row["status"]].split(",")[0] or text.UNKNOWN
    figures = text.interval(row["rel_lift_ci_lower"], row["rel_lift_ci_upper"])
    return figures if row["rel_lift"] is None else f"{text.lift(row['rel_lift'])} {figures}"


def detectable(overall: Row) -> str:
    """What a test of this size could have found; empty where that is unknown."""
    if overall["rel_lift_mde"] is None:
        return ""
    lift = text.lift(overall["rel_lift_mde"])
    return f"A true lift of {lift} would have been found with 80 % power."


def verdict_words(verdict: str) -> str:
    """A verdict with its mark."""
    return f"{MARKS[verdict]} {text.VERDICT_WORDS[verdict]}"


def overall_label(categories: Sequence[str]) -> str:
    """Name of the overall row, which no category of the log shares."""
    label = "Overall"
    while label in categories:
        label += " (all traffic)"
    return label


def tally(verdicts: pl.Series) -> dict[str, int]:
    """How many rows have each verdict, without those that none has; wins first."""
    return {
        verdict: found
        for verdict in text.TALLY_WORDS
        if (found := int((verdicts == verdict).sum()))
    }


def tally_sentence(verdicts: pl.Series) -> str:
    """``44 categories: 12 win, 3 lose, 29 without significant difference``."""
    if verdicts.is_empty():
        return "No categories: the log names none"
    noun = text.plural(verdicts.len(), "category", "categories")
    return f"{noun}: {tally_words(verdicts)}"


def tally_words(verdicts: pl.Series) -> str:
    """``12 win, 3 lose, 29 without significant difference``."""
    return text.tally(tally(verdicts))


def confidence(row: Row) -> str:
    """Level of the intervals: ``95 %``."""
    return f"{100 * (1 - row['alpha']):g} %"


def forest_alt(shown: pl.DataFrame, overall: Row) -> str:
    """The forest plot in words."""
    said = tally_sentence(shown.filter(pl.col("category") != overall["category"])["verdict"])
    return f"Relative lift by category with intervals. {said}. Overall {figures_of(overall)}."


def daily_alt(daily: pl.DataFrame) -> str:
    """The cumulated lift in words.

    Args:
        daily: Rows of ``lift_daily/1`` of one cell, by day; at least one.
    """
    last = daily.row(-1, named=True)
    return (
        f"Overall lift cumulated over {text.plural(daily.height, 'day')}, "
        f"ending at {figures_of(last)}."
    )


def ratio_alt(ratios: pl.DataFrame) -> str:
    """The sample ratio chart in words.

    Args:
        ratios: Rows of ``sample_ratio/1`` of one experiment.
    """
    cells = ratios.unique("category")
    off = cells.filter(pl.col("status") == "unhealthy").height
    return (
        f"Traffic of each arm against the declared split, in {text.plural(cells.height, 'row')}: "
        f"{off} off the split."
    )


assert set(text.TALLY_WORDS) == set(VERDICTS) == set(MARKS)
