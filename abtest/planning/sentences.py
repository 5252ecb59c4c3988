"""What a plan says in words: for the terminal, the HTML page and Markdown alike."""

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from abtest.planning.config import Plan
from abtest.planning.pilot import Pilot
from abtest.planning.tables import arm_shares, n_tests, planned_days
from caig import text
from caig.contracts.experiments import ALL_CATEGORIES

Row = Mapping[str, Any]

STATUS_WORDS = {
    "ok": "",
    "extrapolated": "beyond the pilot",
    "too_long": "too long",
    "never": "needs more units",
    "impossible_lift": "CTR above 100 %",
    "no_clicks": "no click in the pilot",
}
SOURCE_WORDS = {"own": "", "pooled": "by its clicks", "stated": "stated", "none": ""}


def headline(table: pl.DataFrame, plan: Plan) -> str:
    """The answer for the overall test, in a sentence."""
    row = table.filter(pl.col("category") == ALL_CATEGORIES).row(0, named=True)
    wanted = f"a lift of {text.lift(plan.target_lift)} overall with {_share(plan.power)} power"
    if row["status"] == "no_clicks":
        return f"No plan for {wanted}: the pilot has no click of control"
    if row["status"] == "impossible_lift":
        return f"No plan for {wanted}: the treatment's CTR would exceed 100 %"
    if row["status"] == "never":
        return (
            f"No number of days finds {wanted}: more days do not help, "
            f"{row['traffic_factor']:,.1f} times the units a day do"
        )
    needed = row["days_needed"]
    said = f"{text.plural(needed, 'day')} to find {wanted}"
    if row["status"] == "too_long":
        return f"{said}: more than the {text.count(plan.max_days)} days allowed"
    weeks = math.ceil(needed / 7)
    return said if needed % 7 == 0 else f"{said}; in whole weeks {7 * weeks} days"


def notes(table: pl.DataFrame, pilot: Pilot, plan: Plan) -> list[str]:
    """What a reader must know of the plan, one sentence each."""
    days = planned_days(pilot, plan)
    overall = table.filter(pl.col("category") == ALL_CATEGORIES).row(0, named=True)
    categories = table.filter(pl.col("category") != ALL_CATEGORIES)
    said = [
        f"After {text.plural(days, 'day')} the smallest lift found overall with "
        f"{_share(plan.power)} power is {text.lift(overall['rel_lift_mde'])}."
    ]
    if categories.height:
        in_time = categories.filter(pl.col("power_at_days") >= plan.power).height
        if not pilot.is_observed:
            in_time *= pilot.n_categories
        said.append(
            f"After {text.plural(days, 'day')} {in_time:,} of "
            f"{text.plural(pilot.n_categories, 'category', 'categories')} can find "
            f"{text.lift(plan.target_lift)} on their own, each at level "
            f"{categories['alpha'][0]:.2g}."
        )
    longest = max([days, *(table["days_needed"].drop_nulls().to_list())])
    if pilot.is_observed and longest > pilot.measured_days:
        said.append(
            f"The pilot lasted {text.plural(pilot.measured_days, 'day')}; what is said of longer "
            "experiments carries on its traffic and its trend, and is extrapolated."
        )
    return [*said, *pilot.notes]


def assumptions(pilot: Pilot, plan: Plan) -> list[str]:
    """How the figures were made."""
    control, treatment = arm_shares(plan)
    by_category = ""
    if pilot.n_categories:
        by_category = f" and over {text.plural(n_tests('', pilot, plan), 'test')} by category"
    said = [
        "Lift is relative: CTR of treatment over CTR of control, minus 1. Power counts findings in "
        "the right direction.",
        f"Control gets {_share(control)} of the traffic, "
        f"{'the treatment' if plan.n_treatments == 1 else 'each treatment'} {_share(treatment)}.",
    ]
    if plan.correction == "bonferroni":
        said.append(
            f"Two-sided tests at {plan.alpha:g} over {text.plural(plan.n_treatments, 'test')} "
            f"overall{by_category} (Bonferroni). "
            "Benjamini-Hochberg, Holm and Hochberg reject whatever Bonferroni does: with them the "
            "power is at least the one planned."
        )
    else:
        said.append(f"Two-sided tests at {plan.alpha:g} each, not corrected.")
    if pilot.randomisation == "impression":
        said.append(
            "Impressions are randomised: test of two proportions with pooled variance; every day "
            "adds as much as the one before."
        )
        return said
    return [
        *said,
        "Units are randomised: normal approximation of the log CTR ratio, binomial variance times "
        "the design effect.",
        "The design effect's excess over 1 grows with days as far as the same units come back "
        f"(measured or stated after {text.plural(pilot.measured_days, 'day')}); so information "
        "grows slower than impressions. Units are taken to arrive and come back at that pace "
        "throughout.",
    ]


def row_view(row: Row) -> dict[str, Any]:
    """One row of ``plan/1`` as texts."""
    is_overall = row["category"] == ALL_CATEGORIES
    effect = row["design_effect"]
    return {
        "category": "Overall" if is_overall else row["category"],
        "overall": is_overall,
        "ctr": text.ctr(row["ctr"]),
        "impressions_per_day": text.count(row["impressions_per_day"]),
        "design_effect": text.UNKNOWN if effect is None else f"{effect:.2f}",
        "source": SOURCE_WORDS[row["design_effect_source"]],
        "alpha": f"{row['alpha']:.2g}",
        "days_needed": text.count(row["days_needed"]),
        "power_at_days": text.percent(row["power_at_days"], 0),
        "mde": text.lift(row["rel_lift_mde"]),
        "factor": text.UNKNOWN
        if row["traffic_factor"] is None
        else f"x {row['traffic_factor']:,.2g}"
        if row["traffic_factor"] < 10
        else f"x {row['traffic_factor']:,.0f}",
        "words": STATUS_WORDS[row["status"]],
    }


def _share(value: float) -> str:
    return f"{100 * value:.3g} %"
