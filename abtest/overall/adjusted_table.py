"""The table of CUPED lifts, overall and by category."""

import numpy as np
import polars as pl

from abtest.estimation.clustered import lift_interval, lift_p_value
from abtest.overall.covariates import adjusted_lift, coefficients, linearised, moment_matrices
from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.overall import ADJUSTED_LIFTS

METHOD = "CUPED on the linearised ratio, clustered by unit, one theta of both arms, Welch t"


def adjusted_lifts(
    covariate_sums: pl.DataFrame, cells: pl.DataFrame, *, alpha: float
) -> pl.DataFrame:
    """Lifts of all cells with the pre-period taken out of the noise.

    Args:
        covariate_sums: :func:`abtest.overall.covariates.covariate_sums` of the log.
        cells: Estimated cells with ``experiment_id``, ``contrast``, ``control``, ``treatment``,
            ``category`` and ``status``.
        alpha: 1 - confidence.

    Returns:
        ``adjusted_lifts/1``, a row a cell whose two arms both have units; p-values are null where
        the status is not ``ok``.
    """
    if covariate_sums.is_empty():
        return ADJUSTED_LIFTS.empty()
    index, matrices = moment_matrices(covariate_sums)
    index = index.with_row_index("position")
    key = ["experiment_id", "category"]
    paired = cells.select(*key, "contrast", "control", "treatment", "status")
    for side in ("control", "treatment"):
        positions = index.rename({"arm": side, "position": f"position_{side}"})
        paired = paired.join(positions, on=[*key, side])
    is_whole = pl.col("category") == ALL_CATEGORIES
    paired = paired.sort("experiment_id", "contrast", is_whole, "category")
    arms = [linearised(matrices[paired[f"position_{s}"]]) for s in ("control", "treatment")]
    theta, rank = coefficients(arms)
    adjusted = adjusted_lift(arms[0], arms[1], theta, fitted=rank)
    interval = lift_interval(adjusted.lift, alpha)
    p_value = np.where(paired["status"] == "ok", lift_p_value(adjusted.lift), np.nan)
    columns = {
        "rel_lift": interval.value,
        "rel_lift_ci_lower": interval.lower,
        "rel_lift_ci_upper": interval.upper,
        "p_value": p_value,
        "variance_reduction": adjusted.variance_reduction,
    }
    return paired.with_columns(
        *(pl.Series(name, values).fill_nan(None) for name, values in columns.items()),
        pl.Series("n_units", (arms[0].units + arms[1].units).astype(np.int64)),
        pl.Series("n_covariates", rank.astype(np.int64)),
        method=pl.lit(METHOD),
    ).select(ADJUSTED_LIFTS.schema.names())
