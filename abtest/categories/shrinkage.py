"""How much categories differ, and every category's lift shrunk accordingly.

Log lifts of the cells that were tested are pooled within one contrast; see
:mod:`abtest.categories.pooling`. Errors of different categories are taken as independent. Where
units span categories they are not quite, but on shop traffic their correlations are near 0.01.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from scipy import special

from abtest.categories.pooling import Heterogeneity, heterogeneity, shrunk_effects
from caig.contracts.experiments import ALL_CATEGORIES, HETEROGENEITY

SHRUNK = ("rel_lift_shrunk", "rel_lift_shrunk_ci_lower", "rel_lift_shrunk_ci_upper")
CONTRAST = ["experiment_id", "contrast"]


class Pooled(NamedTuple):
    """Cells with shrunk lifts, and what they were shrunk by.

    Attributes:
        cells: The cells, with the columns of :data:`SHRUNK`; null where a cell was not tested.
        heterogeneity: ``heterogeneity/1``.
    """

    cells: pl.DataFrame
    heterogeneity: pl.DataFrame


def shrink_cells(cells: pl.DataFrame, alpha: float) -> Pooled:
    """Pool the categories of every contrast.

    Args:
        cells: Estimated cells (:func:`abtest.estimation.cells.estimate_cells`) with
            ``experiment_id``, ``contrast`` and ``category``.
        alpha: 1 - confidence of the intervals.

    Returns:
        Cells in their order, and one row a contrast with at least two tested categories.
    """
    # A cell of nothing but clicks is tested, yet its log lift has no standard error.
    is_pooled = (pl.col("status") == "ok") & pl.col("log_lift_se").is_not_null()
    tested = cells.filter(is_pooled & (pl.col("category") != ALL_CATEGORIES))
    parts, rows = [], []
    for group in tested.partition_by(CONTRAST, maintain_order=True):
        if group.height < 2:
            continue
        y = np.log1p(group["rel_lift"].to_numpy())
        v = group["log_lift_se"].to_numpy() ** 2
        spread = heterogeneity(y, v)
        shrunk = shrunk_effects(y, v, spread, alpha)
        columns = {
            name: pl.Series(np.expm1(values)).fill_nan(None)
            for name, values in zip(SHRUNK, shrunk, strict=True)
        }
        parts.append(group.select(*CONTRAST, "category").with_columns(**columns))
        rows.append(_spread_row(group, spread, alpha))
    unknown = (
        tested.clear()
        .select(*CONTRAST, "category")
        .with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in SHRUNK)
    )
    joined = cells.join(
        pl.concat([unknown, *parts]), on=[*CONTRAST, "category"], how="left", maintain_order="left"
    )
    return Pooled(joined, pl.DataFrame(rows, schema=HETEROGENEITY.schema))


def _spread_row(group: pl.DataFrame, spread: Heterogeneity, alpha: float) -> dict[str, object]:
    half = special.ndtri(1 - alpha / 2) * spread.mean_se
    return {
        "experiment_id": group["experiment_id"][0],
        "contrast": group["contrast"][0],
        "n_categories": group.height,
        "q": spread.q,
        "p_value": spread.p_value,
        "i2": spread.i2,
        "tau": float(np.sqrt(spread.tau2)),
        "mean_lift": float(np.expm1(spread.mean)),
        "mean_lift_ci_lower": float(np.expm1(spread.mean - half)),
        "mean_lift_ci_upper": float(np.expm1(spread.mean + half)),
        "method": "restricted maximum likelihood",
    }
