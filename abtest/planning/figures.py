"""The chart of a plan as SVG text: power by day, one line a lift."""

import math
from collections.abc import Sequence
from html import escape

import polars as pl

from abtest.planning.config import Plan
from abtest.planning.pilot import Pilot
from caig import text

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 790, 300, 60, 690, 26, 256
LABEL_DISTANCE = 14
STEPS = (1, 2, 5, 7, 10, 14, 20, 28, 50, 70, 100, 200)


def power_chart(curve: pl.DataFrame, pilot: Pilot, plan: Plan) -> str:
    """Power of the overall test by day for several lifts.

    The target's line is bold; the days beyond the pilot are shaded.

    Args:
        curve: ``power_curve/1``.
        pilot: Traffic.
        plan: What to find.

    Returns:
        An ``<svg>`` element with a text alternative, or an empty text with fewer than two days.
    """
    shown = sorted({int(days) for days in curve["days"]})
    if len(shown) < 2:
        return ""
    first, last = shown[0], shown[-1]

    def x(days: float) -> float:
        return LEFT + (RIGHT - LEFT) * (days - first) / (last - first)

    def y(power: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * power

    parts = []
    if pilot.is_observed and first <= pilot.measured_days < last:
        begin = x(pilot.measured_days)
        parts.append(
            f'<rect class="beyond" x="{begin:.1f}" y="{TOP}" width="{RIGHT - begin:.1f}" '
            f'height="{BOTTOM - TOP}"/>'
            f'<text class="muted" x="{RIGHT}" y="{TOP - 8}" text-anchor="end">'
            "beyond the pilot: extrapolated</text>"
        )
    parts += [
        f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
        f'<text x="{LEFT - 8}" y="{y(v) + 4:.1f}" text-anchor="end">{text.percent(v, 0)}</text>'
        for v in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    wanted = f"{y(plan.power):.1f}"
    parts.append(f'<line class="zero" x1="{LEFT}" x2="{RIGHT}" y1="{wanted}" y2="{wanted}"/>')
    parts.append(f'<text class="muted" x="{LEFT}" y="{TOP - 8}">power</text>')
    parts += [
        f'<text x="{x(d):.1f}" y="{BOTTOM + 18}" text-anchor="middle">{d:,}</text>'
        for d in _day_ticks(first, last)
    ]
    middle = (LEFT + RIGHT) / 2
    parts.append(
        f'<text class="muted" x="{middle}" y="{BOTTOM + 36}" text-anchor="middle">days</text>'
    )
    ends = []
    lifts = sorted({float(lift) for lift in curve["rel_lift"]})
    for lift in lifts:
        is_target = math.isclose(lift, plan.target_lift)
        line = curve.filter(pl.col("rel_lift") == lift).sort("days")
        drawn = line.select("days", "power").rows()
        points = " ".join(f"{x(days):.1f},{y(power):.1f}" for days, power in drawn)
        parts.append(f'<polyline class="{"line" if is_target else "other"}" points="{points}"/>')
        ends.append((y(drawn[-1][1]), lift, is_target))
    parts += _end_labels(ends)
    title = (
        f"Power of the overall test by day, to {last:,} days, for lifts from "
        f"{text.lift(lifts[0])} to {text.lift(lifts[-1])}"
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _end_labels(ends: Sequence[tuple[float, float, bool]]) -> list[str]:
    """Lifts at the lines' ends, pushed apart where lines end together."""
    ordered = sorted(ends, key=lambda end: (-end[0], abs(end[1])))
    labels, below = [], math.inf
    for end, lift, is_target in ordered:
        at = min(end, below - LABEL_DISTANCE)
        below = at
        weight = ' class="overall"' if is_target else ""
        labels.append(f'<text x="{RIGHT + 8}" y="{at + 4:.1f}"{weight}>{text.lift(lift)}</text>')
    return labels


def _day_ticks(first: int, last: int) -> range:
    step = next((s for s in STEPS if (last - first) / s <= 10), math.ceil((last - first) / 10))
    return range(step, last + 1, step) if step >= first else range(first, last + 1, step)
