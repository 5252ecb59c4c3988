"""Lifts of all categories from a cube, in milliseconds: by the delta method and by bootstrap.

The cube is laid out as arrays, cumulated over days, so that a range of days is one subtraction.
Buckets play the part of units (:mod:`abtest.counting.cube`). The bootstrap is Poisson's: every
bucket of an arm is drawn a Poisson(1) number of times (Chamandy, Muralidharan, Najmi, Naidu 2012,
"Estimating uncertainty for massive data streams"), which is one product of matrices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abtest.counting.counts import MOMENTS
from abtest.estimation import clustered
from abtest.estimation.clustered import Estimate, UnitMoments
from caig.contracts.cubes import N_BUCKETS
from caig.contracts.experiments import ALL_CATEGORIES
from caig.errors import DataError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class CubeArrays:
    """One experiment of a cube, ready to be asked.

    Attributes:
        experiment: Its name.
        arms: Names, in the order of the first axis.
        categories: Names, or groups of them, in the order of the third axis; the last is
            ``__all__``.
        days: In order.
        n: Shape (arms, days + 1, categories, 1024): impressions before each day, and at the end.
        c: Same for clicks.
    """

    experiment: str
    arms: tuple[str, ...]
    categories: tuple[str, ...]
    days: tuple[date, ...]
    n: Floats
    c: Floats


class CubeLifts(NamedTuple):
    """Lifts of all categories of one contrast, in the order of the arrays.

    Attributes:
        rel_lift: Relative lift with its interval (fractions); NaN where it cannot be estimated.
        p_value: Two-sided, of no lift.
        log_lift_se: Standard error of log(1 + lift).
    """

    rel_lift: Estimate
    p_value: Floats
    log_lift_se: Floats


def cube_arrays(
    cube: pl.DataFrame, experiment: str, *, groups: Mapping[str, str] | None = None
) -> CubeArrays:
    """Lay out one experiment.

    Args:
        cube: ``cube/1``.
        experiment: Which.
        groups: Category to the group it is counted in; the others keep their name.

    Raises:
        DataError: The cube has no such experiment.
    """
    rows = cube.filter(pl.col("experiment_id") == experiment)
    if rows.is_empty():
        raise DataError(f"the cube has no experiment '{experiment}'")
    rows = rows.with_columns(pl.col("category").replace(dict(groups or {})))
    arms, days, categories = (
        rows[name].unique().sort().to_list() for name in ("arm", "day", "category")
    )
    index = [
        rows["arm"].cast(pl.Enum(arms)).to_physical().to_numpy(),
        np.searchsorted(np.array(days, dtype="datetime64[D]"), rows["day"].to_numpy()),
        rows["category"].cast(pl.Enum(categories)).to_physical().to_numpy(),
        rows["bucket"].to_numpy(),
    ]
    shape = (len(arms), len(days), len(categories), N_BUCKETS)
    sums = []
    for name in ("n_impressions", "n_clicks"):
        flat = np.bincount(
            np.ravel_multi_index(index, shape),
            weights=rows[name].to_numpy(),
            minlength=int(np.prod(shape)),
        ).reshape(shape)
        cumulated = np.zeros((shape[0], shape[1] + 1, shape[2] + 1, N_BUCKETS))
        np.cumsum(flat, axis=1, out=cumulated[:, 1:, :-1])
        cumulated[:, :, -1] = cumulated[:, :, :-1].sum(axis=2)
        sums.append(cumulated)
    return CubeArrays(experiment, tuple(arms), (*categories, ALL_CATEGORIES), tuple(days), *sums)


def arm_moments(
    arrays: CubeArrays, arm: str, *, days: tuple[date, date] | None = None
) -> dict[str, Floats]:
    """Moments of one arm by category, each bucket taken for a unit.

    Args:
        arrays: The experiment.
        arm: Its arm.
        days: First and last, both included; all by default.

    Returns:
        Every moment of :data:`abtest.counting.counts.MOMENTS`, shape (categories,).
    """
    n, c = _counts(arrays, arm, days)
    values = (
        (n > 0).sum(axis=1).astype(np.float64),
        (c > 0).sum(axis=1).astype(np.float64),
        n.sum(axis=1),
        c.sum(axis=1),
        np.einsum("kb,kb->k", n, n),
        np.einsum("kb,kb->k", c, c),
        np.einsum("kb,kb->k", n, c),
    )
    return dict(zip(MOMENTS, values, strict=True))


def cube_lifts(
    arrays: CubeArrays,
    contrast: tuple[str, str],
    *,
    alpha: float,
    days: tuple[date, date] | None = None,
) -> CubeLifts:
    """Lifts of all categories, by the delta method clustered by bucket.

    Args:
        arrays: The experiment.
        contrast: Treatment and control.
        alpha: 1 - confidence.
        days: First and last, both included; all by default.
    """
    treatment, control = (_unit_moments(arrays, arm, days) for arm in contrast)
    lift = clustered.log_lift(control, treatment)
    return CubeLifts(clustered.lift_interval(lift, alpha), clustered.lift_p_value(lift), lift.se)


def bootstrap_lifts(
    arrays: CubeArrays,
    contrast: tuple[str, str],
    *,
    alpha: float,
    seed: int,
    replicates: int = 1_000,
    days: tuple[date, date] | None = None,
) -> Estimate:
    """Lifts of all categories with percentile intervals.

    Args:
        arrays: The experiment.
        contrast: Treatment and control.
        alpha: 1 - confidence.
        seed: Same seed, same interval.
        replicates: Draws.
        days: First and last, both included; all by default.

    Returns:
        NaN where an arm has no click; a limit is NaN where it is unbounded, as draws without a
        click in control count as infinite lifts.
    """
    rng = np.random.default_rng(seed)
    rates, points = [], []
    for arm in contrast:
        n, c = _counts(arrays, arm, days)
        weights = rng.poisson(1.0, (replicates, N_BUCKETS)).astype(np.float64)
        rates.append(_ratio(weights @ c.T, weights @ n.T))
        points.append(_ratio(c.sum(axis=1), n.sum(axis=1)))
    value = _ratio(points[0], points[1]) - 1
    value = np.where((points[0] > 0) & (points[1] > 0), value, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.sort(rates[0] / rates[1] - 1, axis=0)  # draws of 0 / 0 are NaN and sort last
    known = (~np.isnan(drawn)).sum(axis=0)
    limits = [_order_statistic(drawn, known, p) for p in (alpha / 2, 1 - alpha / 2)]
    lower, upper = (np.where(np.isfinite(value), limit, np.nan) for limit in limits)
    return Estimate(value, lower, upper)


def _counts(arrays: CubeArrays, arm: str, days: tuple[date, date] | None) -> tuple[Floats, Floats]:
    """Impressions and clicks of an arm, shape (categories, 1024)."""
    position = _position(arrays.arms, arm)
    first, last = days or (arrays.days[0], arrays.days[-1])
    begin = sum(day < first for day in arrays.days)
    end = sum(day <= last for day in arrays.days)
    n, c = (
        cumulated[position, end] - cumulated[position, begin] for cumulated in (arrays.n, arrays.c)
    )
    return n, c


def _position(names: Sequence[str], name: str) -> int:
    if name not in names:
        raise DataError(f"the cube has no arm '{name}'; it has: {', '.join(names)}")
    return names.index(name)


def _unit_moments(arrays: CubeArrays, arm: str, days: tuple[date, date] | None) -> UnitMoments:
    moments = arm_moments(arrays, arm, days=days)
    return UnitMoments(*(moments[name] for name in UnitMoments._fields))


def _order_statistic(drawn: Floats, known: Integers, p: float) -> Floats:
    """The p-quantile of each column's known values; NaN where infinite or unknown."""
    position = np.clip(np.ceil(p * known).astype(np.int64) - 1, 0, None)
    found = np.take_along_axis(drawn, position[None, :], axis=0)[0]
    return np.where(np.isfinite(found), found, np.nan)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)
