"""CUPED: what units did before the experiment, taken out of the noise of the lift.

Deng, Xu, Kohavi, Walker 2013 ("Improving the Sensitivity of Online Controlled Experiments by
Utilizing Pre-Experiment Data"), for the ratio metric CTR by the linearised residuals
``(c_i - R * n_i) / mean(n)`` of a unit (Deng, Knoblich, Lu 2018). With several covariates x,

    R_adjusted = R - theta' (mean(x) - mean of both arms),    theta = S_xx^-1 S_xr

where the sums of products S are within arms and added over both, so that one theta serves both and
the effect itself is not regressed away. Covariates must be from before the experiment, so that the
treatment cannot have moved them; units without a history count 0. Within a category the units are
those who saw it, as for its CTR: a treatment that changes who they are is no longer excluded by
randomisation, with or without adjustment.

Left out: the error of the common centre in the ratio of two adjusted CTRs, which is of the order of
the lift times what the covariates explain.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abtest.counting.counts import CODES, UnitCounts
from abtest.estimation.clustered import LogLift
from abtest.overall.log_ratio import log_ratio
from caig.contracts.experiments import ALL_CATEGORIES

Floats = NDArray[np.float64]

OUTCOMES = ("1", "n", "c")
"""Names of the vector's first entries: one, impressions, clicks."""
COVARIATES = ("pre_n", "pre_c", "pre_n_all", "pre_c_all")
"""Impressions and clicks of the pre-period: in the category itself, and in all of them. The overall
rows have the latter two only."""
TERMS = (*OUTCOMES, *COVARIATES)
COVARIATE_SUMS = pl.Schema(
    {
        **dict.fromkeys(("experiment_id", "category", "arm", "first", "second"), pl.String),
        "total": pl.Float64,
    }
)
_RELATIVE_RANK = 1e-10


def covariate_sums(counts: UnitCounts, history: pl.DataFrame) -> pl.DataFrame:
    """Sums over units of products of impressions, clicks and what was before.

    Args:
        counts: Counts of the experiment by unit.
        history: Columns ``unit_id``, ``category``, ``n``, ``c``: impressions and clicks of units
            before the experiment, rows in any number; a null category counts in all of them alone.

    Returns:
        Columns of :data:`COVARIATE_SUMS`: one row an experiment, category (``__all__`` pools), arm
        and pair of :data:`TERMS`, ``first`` not after ``second`` in their order; ``total`` is the
        sum over the cell's units of the product.
    """
    key = ["experiment_id", "arm", "unit_id"]
    named = counts.cells.filter(pl.col("unit_id").is_not_null())
    before = history.select(
        *(pl.col(name).cast(pl.String).cast(CODES[name]) for name in ("unit_id", "category")),
        pre_n=pl.col("n").cast(pl.Float64),
        pre_c=pl.col("c").cast(pl.Float64),
    )
    of_all = before.group_by("unit_id").agg(
        pre_n_all=pl.col("pre_n").sum(), pre_c_all=pl.col("pre_c").sum()
    )
    shown = [pl.col("n").sum().cast(pl.Float64), pl.col("c").sum().cast(pl.Float64)]
    overall = named.group_by(key).agg(shown).join(of_all, on="unit_id", how="left")
    overall = overall.with_columns(
        pl.lit(ALL_CATEGORIES).alias("category"), pl.lit(0.0).alias("pre_n"), pre_c=pl.lit(0.0)
    )
    in_category = before.group_by("unit_id", "category").agg(pl.col("pre_n", "pre_c").sum())
    by_category = (
        named.filter(pl.col("category").is_not_null())
        .group_by(*key, "category")
        .agg(shown)
        .join(in_category, on=["unit_id", "category"], how="left")
        .join(of_all, on="unit_id", how="left")
    )
    parts = [_products(overall, TERMS[:3] + TERMS[5:]), _products(by_category, TERMS)]
    return pl.concat(parts).sort("experiment_id", "category", "arm", "first", "second")


def add_covariate_sums(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Sums of parts that share no unit, together."""
    key = COVARIATE_SUMS.names()[:-1]
    together = pl.concat([COVARIATE_SUMS.to_frame(), *parts])
    return together.group_by(key).agg(pl.col("total").sum()).sort(key)


def moment_matrices(sums: pl.DataFrame) -> tuple[pl.DataFrame, Floats]:
    """The long sums as symmetric matrices.

    Returns:
        Cells (``experiment_id``, ``category``, ``arm``) and the matrices of their :data:`TERMS`,
        shape (cells, 7, 7); zeros for terms a cell does not have.
    """
    key = ["experiment_id", "category", "arm"]
    cells = sums.select(key).unique().sort(key).with_row_index("cell")
    placed = sums.join(cells, on=key)
    order = {name: index for index, name in enumerate(TERMS)}
    cell, first, second = (
        placed["cell"].to_numpy(),
        placed["first"].replace_strict(order, return_dtype=pl.Int64).to_numpy(),
        placed["second"].replace_strict(order, return_dtype=pl.Int64).to_numpy(),
    )
    matrices = np.zeros((cells.height, len(TERMS), len(TERMS)))
    matrices[cell, first, second] = matrices[cell, second, first] = placed["total"].to_numpy()
    return cells.drop("cell"), matrices


class Linearised(NamedTuple):
    """One arm's ratio and its covariates, as moments over units; leading shape (...,).

    Attributes:
        units: Units.
        rate: CTR.
        means: Shape (..., p), means of the covariates.
        residual: Sum over units of squares of ``(c_i - R * n_i) / mean(n)``.
        cross: Shape (..., p), sums of products of that residual with the centred covariates.
        within: Shape (..., p, p), sums of products of the centred covariates.
    """

    units: Floats
    rate: Floats
    means: Floats
    residual: Floats
    cross: Floats
    within: Floats


class Adjusted(NamedTuple):
    """Adjusted lift, leading shape (...,).

    Attributes:
        lift: Log of the ratio of the adjusted CTRs.
        control: Adjusted CTR of control and its variance.
        treatment: Of treatment.
        variance_reduction: Share of the unadjusted log lift's variance that is gone (fraction);
            below 0 where the covariates cost more than they explain.
        n_covariates: Covariates that vary and are no combination of others.
    """

    lift: LogLift
    control: tuple[Floats, Floats]
    treatment: tuple[Floats, Floats]
    variance_reduction: Floats
    n_covariates: Floats


def linearised(moments: Floats) -> Linearised:
    """Moments of the linearised ratio.

    Args:
        moments: Shape (..., 3 + p, 3 + p), sums of products of 1, n, c and p covariates.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        units, n = moments[..., 0, 0], moments[..., 0, 1]
        rate = moments[..., 0, 2] / n
        per_unit = units / n
        squares = moments[..., 2, 2] - rate * (2 * moments[..., 1, 2] - rate * moments[..., 1, 1])
        squares = np.where(squares > 1e-12 * moments[..., 2, 2], squares, 0.0)
        means = moments[..., 0, 3:] / units[..., None]
        # The residuals add up to 0, so that the covariates need no centring here.
        cross = moments[..., 2, 3:] - rate[..., None] * moments[..., 1, 3:]
        within = moments[..., 3:, 3:] - units[..., None, None] * (
            means[..., :, None] * means[..., None, :]
        )
    return Linearised(
        units, rate, means, squares * per_unit**2, cross * per_unit[..., None], within
    )


def coefficients(arms: Sequence[Linearised]) -> tuple[Floats, Floats]:
    """Theta of the regression within arms, all arms together, and the number of its terms.

    Returns:
        Shapes (..., p) and (...); 0 for covariates that do not vary.
    """
    within = np.nan_to_num(sum(arm.within for arm in arms), nan=0.0)
    cross = np.nan_to_num(sum(arm.cross for arm in arms), nan=0.0)
    scale = np.sqrt(np.maximum(np.diagonal(within, axis1=-2, axis2=-1), 0.0))
    inverse = np.where(scale > 0, 1 / np.where(scale > 0, scale, 1.0), 0.0)
    correlation = within * inverse[..., :, None] * inverse[..., None, :]
    solved = np.linalg.pinv(correlation, rcond=_RELATIVE_RANK, hermitian=True)
    theta = (solved @ (cross * inverse)[..., None])[..., 0] * inverse
    values = np.linalg.eigvalsh(correlation)
    rank = (values > _RELATIVE_RANK * np.maximum(values.max(-1, keepdims=True), 1e-300)).sum(-1)
    return theta, rank.astype(np.float64)


def adjusted_lift(
    control: Linearised, treatment: Linearised, theta: Floats, *, fitted: Floats
) -> Adjusted:
    """Log lift with the covariates taken out.

    Args:
        control: Control.
        treatment: Treatment, same cells.
        theta: Shape (..., p), from :func:`coefficients`.
        fitted: Coefficients that were estimated from these very units. The variance is scaled up
            for them as in a regression, and the degrees of freedom are fewer.

    Returns:
        NaN where an arm has no click, fewer than two units, or where too few units are left for
        the coefficients.
    """
    units = control.units + treatment.units
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (
            control.units[..., None] * control.means + treatment.units[..., None] * treatment.means
        ) / units[..., None]
        free = units - 2 - fitted
        paid = np.where(free > 0, (units - 2) / free, np.nan)
    adjusted, plain = [], []
    for arm in (control, treatment):
        rate = arm.rate - (theta * (arm.means - centre)).sum(-1)
        explained = 2 * (theta * arm.cross).sum(-1) - np.einsum(
            "...i,...ij,...j->...", theta, arm.within, theta
        )
        left = arm.residual - explained
        left = np.where(left > 1e-12 * arm.residual, left, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.where(arm.units > 1, 1 / (arm.units * (arm.units - 1)), np.nan)
        adjusted.append((rate, left * factor * paid))
        plain.append((arm.rate, arm.residual * factor))
    share = np.where(units > 0, fitted / np.where(units > 0, units, 1.0), 0.0)
    dofs = [arm.units - 1 - share * arm.units for arm in (control, treatment)]
    lift = log_ratio(
        adjusted[0][0],
        adjusted[1][0],
        variances=(adjusted[0][1], adjusted[1][1]),
        dofs=(dofs[0], dofs[1]),
    )
    unadjusted = log_ratio(
        plain[0][0],
        plain[1][0],
        variances=(plain[0][1], plain[1][1]),
        dofs=(control.units - 1, treatment.units - 1),
    )
    with np.errstate(invalid="ignore"):
        reduction = 1 - (lift.se / unadjusted.se) ** 2
    return Adjusted(lift, adjusted[0], adjusted[1], reduction, fitted)


def _products(units: pl.DataFrame, terms: Sequence[str]) -> pl.DataFrame:
    key = ["experiment_id", "category", "arm"]
    filled = units.with_columns(pl.lit(1.0).alias("1"), pl.col(COVARIATES).fill_null(0.0))
    pairs = [(a, b) for i, a in enumerate(terms) for b in terms[i:]]
    sums = filled.group_by(key).agg(
        (pl.col(a) * pl.col(b)).sum().alias(f"{a} {b}") for a, b in pairs
    )
    return (
        sums.unpivot(index=key, variable_name="pair", value_name="total")
        .with_columns(
            *(pl.col(name).cast(pl.String) for name in key),
            pl.col("pair").str.split_exact(" ", 1).struct.rename_fields(["first", "second"]),
        )
        .unnest("pair")
        .select(COVARIATE_SUMS.names())
    )
