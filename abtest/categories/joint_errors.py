"""Covariance of the log lifts of several cells of one experiment.

Two cells share errors for two reasons: units span categories, and several treatments are compared
with one control. By the delta method a log lift's error is the treatment's relative error less the
control's, and arms are independent, so

    cov(t: k, s: l) = cov_control(k, l) + [t = s] * cov_t(k, l),

with ``cov_a(k, l)`` the covariance of arm a's CTRs in categories k and l over their product
(:mod:`abtest.estimation.joint`). Units in two arms are ignored; a health check counts them.
"""

from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abtest.counting.sums import Sums
from abtest.estimation.joint import category_moments, ctr_covariance

Floats = NDArray[np.float64]


def lift_covariance(cells: pl.DataFrame, sums: Sums) -> Floats:
    """Covariance of the log lifts of cells, in their order.

    Args:
        cells: Cells of one experiment with ``experiment_id, control, treatment, category``; every
            one has clicks in both arms.
        sums: Sums of the log; units were randomised.

    Returns:
        Shape (rows, rows); NaN where the sums of products of two categories were not made.
    """
    experiment, control = cells.select("experiment_id", "control").row(0)
    categories = cells["category"].unique().sort().to_list()
    position = {name: index for index, name in enumerate(categories)}
    category = np.array([position[name] for name in cells["category"]])
    treatment = cells["treatment"].to_numpy()

    def relative(arm: str) -> Floats:
        moments = category_moments(sums, experiment, arm, categories)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = moments.c / moments.n
            covariance = ctr_covariance(moments) / (rate[:, None] * rate[None, :])
        return np.asarray(covariance[np.ix_(category, category)])

    total = relative(control)
    for arm in np.unique(treatment):
        is_arm = treatment == arm
        rows = np.ix_(is_arm, is_arm)
        total[rows] = total[rows] + relative(str(arm))[rows]
    return total


def impression_covariance(cells: pl.DataFrame) -> Floats:
    """Covariance where impressions were randomised: cells share errors through a control only.

    Args:
        cells: Cells of one experiment with ``category`` and both arms' ``n`` and ``c``.

    Returns:
        Shape (rows, rows).
    """
    c, n = (cells[f"{name}_control"].to_numpy().astype(np.float64) for name in ("c", "n"))
    own_c, own_n = (cells[f"{name}_treatment"].to_numpy().astype(np.float64) for name in ("c", "n"))
    category = cells["category"].to_numpy()
    shared = np.where(category[:, None] == category[None, :], (1 / c - 1 / n)[:, None], 0.0)
    return np.asarray(shared + np.diag(1 / own_c - 1 / own_n))


def lift_correlation(
    cells: pl.DataFrame, sums: Sums, *, randomisation: Literal["unit", "impression"]
) -> Floats | None:
    """Correlation of the errors of cells' log lifts; None where it is not known."""
    if randomisation == "unit":
        covariance = lift_covariance(cells, sums)
    else:
        covariance = impression_covariance(cells)
    scale = np.sqrt(np.diag(covariance))
    if not np.isfinite(covariance).all() or not (scale > 0).all():
        return None
    correlation = covariance / (scale[:, None] * scale[None, :])
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation)
