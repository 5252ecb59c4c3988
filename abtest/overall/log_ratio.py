"""The log of a ratio of two independent estimates, for estimators that bring their own variance."""

import numpy as np
from numpy.typing import NDArray

from abtest.estimation.clustered import LogLift

Floats = NDArray[np.float64]


def log_ratio(
    control: Floats,
    treatment: Floats,
    *,
    variances: tuple[Floats, Floats],
    dofs: tuple[Floats, Floats],
) -> LogLift:
    """Log ratio with its standard error by the delta method.

    Args:
        control: Estimates of control.
        treatment: Estimates of treatment, same shape.
        variances: Of control's and of treatment's estimates.
        dofs: Degrees of freedom of the two variances; infinite where the normal holds.

    Returns:
        Log lifts with Welch-Satterthwaite degrees of freedom and no design effect; NaN where an
        estimate is not above 0 or a variance is unknown or 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = [v / r**2 for v, r in zip(variances, (control, treatment), strict=True)]
        value = np.log(treatment) - np.log(control)
        total = relative[0] + relative[1]
        spread = relative[0] ** 2 / dofs[0] + relative[1] ** 2 / dofs[1]
        dof = np.where(spread > 0, total**2 / spread, np.inf)
        known = (control > 0) & (treatment > 0) & (total > 0) & (dofs[0] > 0) & (dofs[1] > 0)
    unknown = np.full(np.shape(value), np.nan)
    return LogLift(
        np.where(known, value, np.nan),
        np.where(known, np.sqrt(np.where(known, total, 1.0)), np.nan),
        np.where(known, dof, np.nan),
        unknown,
    )
