"""A plan as tables: what every category needs, and how power grows overall."""

import math
from typing import Any

import polars as pl

from abtest.planning.config import Plan
from abtest.planning.pilot import Pilot
from abtest.planning.power import (
    Comparison,
    Traffic,
    days_for,
    detectable_lift,
    power_after,
    traffic_factor_for,
)
from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.plans import PLAN, POWER_CURVE

DEFAULT_DAYS = 14
CURVE_LIFTS = (0.5, 0.75, 1.0, 1.5, 2.0)
"""Lifts of the power curve, as multiples of the target."""
CURVE_POINTS = 60


def plan_table(pilot: Pilot, plan: Plan) -> pl.DataFrame:
    """What every category needs, and the overall test.

    Args:
        pilot: Traffic.
        plan: What to find.

    Returns:
        ``plan/1``, in the pilot's order.
    """
    rows = [_row(cell, pilot, plan) for cell in pilot.cells.iter_rows(named=True)]
    return pl.DataFrame(rows, schema=PLAN.schema)


def power_curve(pilot: Pilot, plan: Plan) -> pl.DataFrame:
    """Power of the overall test by lift and day.

    Args:
        pilot: Traffic.
        plan: What to find.

    Returns:
        ``power_curve/1``: up to twice the days needed, within the plan's limit; without rows if the
        pilot has no click of control.
    """
    cell = pilot.cells.filter(pl.col("category") == ALL_CATEGORIES).row(0, named=True)
    if cell["ctr"] is None:
        return POWER_CURVE.empty()
    traffic, comparison = _traffic(cell, pilot, plan), _comparison(cell, pilot, plan)
    lifts = [multiple * plan.target_lift for multiple in CURVE_LIFTS]
    possible = [lift for lift in lifts if lift > -1 and traffic.ctr * (1 + lift) < 1]
    needed = _row(cell, pilot, plan)["days_needed"] or plan.max_days
    last = min(
        max(2 * needed, planned_days(pilot, plan)), max(plan.max_days, planned_days(pilot, plan))
    )
    step = math.ceil(last / CURVE_POINTS)
    rows = [
        {
            "category": ALL_CATEGORIES,
            "rel_lift": lift,
            "days": days,
            "power": power_after(traffic, comparison, days=days, rel_lift=lift),
        }
        for lift in possible
        for days in (*range(step, last, step), last)
    ]
    return pl.DataFrame(rows, schema=POWER_CURVE.schema)


def planned_days(pilot: Pilot, plan: Plan) -> int:
    """Days for which detectable lifts are given."""
    if plan.days is not None:
        return plan.days
    return pilot.measured_days if pilot.is_observed else DEFAULT_DAYS


def arm_shares(plan: Plan) -> tuple[float, float]:
    """Share of control, and of each treatment."""
    control = plan.control_share or 1 / (plan.n_treatments + 1)
    return control, (1 - control) / plan.n_treatments


def n_tests(category: str, pilot: Pilot, plan: Plan) -> int:
    """Tests that share the level: treatments overall, categories times treatments by category."""
    if plan.correction == "none":
        return 1
    return plan.n_treatments * (1 if category == ALL_CATEGORIES else pilot.n_categories)


def _row(cell: dict[str, Any], pilot: Pilot, plan: Plan) -> dict[str, Any]:
    comparison = _comparison(cell, pilot, plan)
    days = planned_days(pilot, plan)
    found: dict[str, Any] = {
        **{name: cell[name] for name in PLAN.schema.names() if name in cell},
        "impressions_per_day": cell["impressions_per_day"] * plan.traffic_factor,
        "measured_days": pilot.measured_days,
        "alpha": comparison.alpha,
        "power": plan.power,
        "target_lift": plan.target_lift,
        "days": days,
        "days_needed": None,
        "power_at_days": None,
        "rel_lift_mde": None,
        "traffic_factor": None,
        "status": "no_clicks",
    }
    if cell["ctr"] is None:
        return found
    traffic = _traffic(cell, pilot, plan)
    found["rel_lift_mde"] = detectable_lift(traffic, comparison, days=days, power=plan.power)
    if traffic.ctr * (1 + plan.target_lift) >= 1:
        return {**found, "status": "impossible_lift"}
    found["power_at_days"] = power_after(traffic, comparison, days=days, rel_lift=plan.target_lift)
    found["traffic_factor"] = traffic_factor_for(
        traffic, comparison, days=days, rel_lift=plan.target_lift, power=plan.power
    )
    needed = days_for(traffic, comparison, rel_lift=plan.target_lift, power=plan.power)
    if needed is None:
        return {**found, "status": "never"}
    found["days_needed"] = max(1, math.ceil(needed - 1e-9))
    return {**found, "status": _status(found["days_needed"], pilot, plan)}


def _status(needed: int, pilot: Pilot, plan: Plan) -> str:
    if needed > plan.max_days:
        return "too_long"
    return "extrapolated" if pilot.is_observed and needed > pilot.measured_days else "ok"


def _traffic(cell: dict[str, Any], pilot: Pilot, plan: Plan) -> Traffic:
    is_unit = pilot.randomisation == "unit"
    return Traffic(
        ctr=cell["ctr"],
        impressions_per_day=cell["impressions_per_day"] * plan.traffic_factor,
        design_effect=cell["design_effect"] if is_unit else 1.0,
        measured_days=pilot.measured_days,
        returning=cell["returning"],
    )


def _comparison(cell: dict[str, Any], pilot: Pilot, plan: Plan) -> Comparison:
    control, treatment = arm_shares(plan)
    level = plan.alpha / n_tests(cell["category"], pilot, plan)
    return Comparison(level, control, treatment, pilot.randomisation)
