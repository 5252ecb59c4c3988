"""Whether log lifts differ between categories, allowing for the errors they share.

Cochran's Q, with the spread learned from it, stands in :mod:`abtest.categories.shrinkage` and takes
errors as independent. With the covariance V of all errors the Wald statistic of
equal lifts is ``min over mu of (y - mu)' V^-1 (y - mu)``, which is ``(C y)' (C V C')^-1 (C y)`` for
any k - 1 independent contrasts C. It is computed on the errors' own scale, ``y / se``, where V is
their correlation: categories differ in traffic by powers of ten, their correlations do not. Where
the covariance is singular the test is on its range, and the rank says so.

The covariance is estimated but taken as known, as in the delta method at large; with few units per
category the test rejects a little too often.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from abtest.categories.joint_errors import lift_covariance
from abtest.categories.pooling import heterogeneity
from abtest.config import Design
from abtest.counting.sums import Sums
from caig.contracts.categories import JOINT_HETEROGENEITY
from caig.contracts.experiments import ALL_CATEGORIES

Floats = NDArray[np.float64]
RANK_TOLERANCE = 1e-9
"""Eigenvalues of a correlation below this are rounding."""


class JointTest(NamedTuple):
    """Wald test of equal effects.

    Attributes:
        wald: Statistic.
        rank: Its degrees of freedom.
        p_value: Chi-square's upper tail.
    """

    wald: float
    rank: int
    p_value: float


def wald_heterogeneity(y: Floats, covariance: Floats) -> JointTest:
    """Test that all effects are equal.

    Args:
        y: Shape (k,), effects, k >= 2.
        covariance: Shape (k, k), of their errors; finite, positive on the diagonal.
    """
    precision = 1 / np.sqrt(np.diag(covariance))
    correlation = covariance * precision[:, None] * precision[None, :]
    # What is left of y / se once a common effect is taken out.
    common = precision / np.sqrt(precision @ precision)
    projection = np.eye(y.size) - common[:, None] * common[None, :]
    values, vectors = np.linalg.eigh(projection @ correlation @ projection)
    kept = values > RANK_TOLERANCE
    scores = vectors[:, kept].T @ (projection @ (y * precision))
    wald, rank = float((scores**2 / values[kept]).sum()), int(kept.sum())
    return JointTest(wald, rank, float(special.chdtrc(rank, wald)))


def joint_heterogeneity(cells: pl.DataFrame, sums: Sums, *, design: Design) -> pl.DataFrame:
    """``joint_heterogeneity/2`` of every contrast with at least two tested categories.

    Args:
        cells: Estimated cells (:func:`abtest.estimation.cells.estimate_cells`) with
            ``experiment_id, contrast, category, control, treatment``.
        sums: Sums of the same log.
        design: How traffic was split; where impressions were randomised errors are independent.
    """
    is_pooled = (pl.col("status") == "ok") & pl.col("log_lift_se").is_not_null()
    tested = cells.filter(is_pooled & (pl.col("category") != ALL_CATEGORIES))
    rows = [
        _row(group, sums, design)
        for group in tested.partition_by(["experiment_id", "contrast"], maintain_order=True)
        if group.height >= 2
    ]
    return pl.DataFrame(rows, schema=JOINT_HETEROGENEITY.schema)


def _row(group: pl.DataFrame, sums: Sums, design: Design) -> dict[str, object]:
    y = np.log1p(group["rel_lift"].to_numpy())
    v = group["log_lift_se"].to_numpy() ** 2
    covariance = lift_covariance(group, sums) if design.randomisation == "unit" else np.diag(v)
    test = wald_heterogeneity(y, covariance) if np.isfinite(covariance).all() else None
    if test and test.rank == 0:
        test = None
    return {
        "experiment_id": group["experiment_id"][0],
        "contrast": group["contrast"][0],
        "wald": test.wald if test else None,
        "rank": test.rank if test else None,
        "p_value": test.p_value if test else None,
        "tau_pm": float(np.sqrt(heterogeneity(y, v, "pm").tau2)),
        "tau_dl": float(np.sqrt(heterogeneity(y, v, "dl").tau2)),
    }
