"""Figures about a painter: shares with their intervals, in the form all suites use."""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
import polars as pl

from caig.contracts.experiments import SUITE_RESULTS
from reference_models.shop.vocabulary import Look

SUITE = "shop_painting/1"
Z = 1.959964
"""Of a 95 % interval."""

DAY_TIMES = {"daylight": "day", "mist": "day", "golden hour": "evening", "night": "night"}
"""Time of day of each light."""


class Figure(NamedTuple):
    """One figure.

    Attributes:
        metric: Its name.
        slice: Part it is of, e.g. ``all`` or ``scene=beach``.
        estimate: Value.
        lower: Of its 95 % interval; None where it has none.
        upper: Likewise.
        method: Of the interval.
        n: Pictures it is made from.
    """

    metric: str
    slice: str
    estimate: float
    lower: float | None
    upper: float | None
    method: str
    n: int


def share(metric: str, hits: Sequence[bool], *, part: str = "all") -> Figure:
    """A share with Wilson's interval.

    Args:
        metric: Its name.
        hits: What is counted, at least one.
        part: Slice.
    """
    n, p = len(hits), sum(hits) / len(hits)
    middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * sqrt(p * (1 - p) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    # At shares of 0 and 1 rounding may put the limit a hair inside the share.
    lower, upper = min(max(middle - half, 0.0), p), max(min(middle + half, 1.0), p)
    return Figure(metric, part, p, lower, upper, "Wilson", n)


def mean(metric: str, values: Sequence[float], *, part: str = "all") -> Figure:
    """A mean with its normal interval.

    Args:
        metric: Its name, with the unit.
        values: At least two.
        part: Slice.
    """
    found = np.asarray(values, np.float64)
    centre = float(found.mean())
    half = Z * float(found.std(ddof=1)) / sqrt(len(found))
    return Figure(metric, part, centre, centre - half, centre + half, "normal", len(found))


def agreement(asked: Sequence[Look], seen: Sequence[Look], *, prefix: str) -> list[Figure]:
    """How often what is seen is what was asked for, by family, and for the scene by scene.

    Args:
        asked: Looks.
        seen: Looks, as judged.
        prefix: Of the metrics' names.
    """
    pairs = list(zip(asked, seen, strict=True))
    figures = [
        share(f"{prefix}_{family}", [getattr(a, family) == getattr(s, family) for a, s in pairs])
        for family in Look._fields
    ]
    figures.append(
        share(f"{prefix}_time_of_day", [DAY_TIMES[a.light] == DAY_TIMES[s.light] for a, s in pairs])
    )
    for scene in dict.fromkeys(look.scene for look in asked):
        hits = [s.scene == scene for a, s in pairs if a.scene == scene]
        figures.append(share(f"{prefix}_scene", hits, part=f"scene={scene}"))
    return figures


def results_table(subject: str, figures: Sequence[Figure]) -> pl.DataFrame:
    """``suite_results/1`` of figures.

    Args:
        subject: The painter.
        figures: What was measured.
    """
    rows = [
        (SUITE, subject, f.metric, f.slice, f.estimate, f.lower, f.upper, f.method, f.n, 0, None)
        for f in figures
    ]
    return pl.DataFrame(rows, schema=SUITE_RESULTS.schema, orient="row")
