"""What is called significant: p-values corrected over their family, and the verdict of every cell.

Category cells of an experiment are one family, all its contrasts together; its overall rows are
another, and a single overall row is the primary test, which needs no correction.
"""

from collections.abc import Collection

import numpy as np
import polars as pl

from abtest.categories.multiplicity import Correction, adjusted_p_values, family_text
from caig.contracts.experiments import ALL_CATEGORIES

PRIMARY = "primary test, not corrected"


def corrected_cells(cells: pl.DataFrame, correction: Correction) -> pl.DataFrame:
    """Add ``p_value_adj`` and ``adjustment`` to the cells of one experiment.

    Args:
        cells: Estimated cells with ``category`` and ``p_value``, null where a cell was not tested.
        correction: Over the categories.
    """
    p = cells["p_value"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    is_overall = (cells["category"] == ALL_CATEGORIES).to_numpy()
    by_category = adjusted_p_values(np.where(is_overall, np.nan, p), correction)
    overall = adjusted_p_values(np.where(is_overall, p, np.nan), correction)
    n_categories, n_contrasts = (
        int((~np.isnan(family)).sum()) for family in (by_category, overall)
    )
    overall_text = family_text(correction, n_contrasts) if n_contrasts > 1 else PRIMARY
    texts = np.where(is_overall, overall_text, family_text(correction, n_categories))
    return cells.with_columns(
        p_value_adj=pl.Series(np.where(is_overall, overall, by_category)).fill_nan(None),
        adjustment=pl.Series(texts.tolist(), dtype=pl.String),
    )


def verdict(alpha: float, withheld: Collection[str]) -> pl.Expr:
    """The verdict of corrected cells, as an expression over their columns.

    Args:
        alpha: Level.
        withheld: Experiments of which nothing may be said.
    """
    is_significant = pl.col("p_value_adj") < alpha
    return (
        pl.when(pl.col("experiment_id").is_in(list(withheld)))
        .then(pl.lit("withheld"))
        .when(pl.col("status") != "ok")
        .then(pl.lit("insufficient"))
        .when(is_significant & (pl.col("rel_lift") > 0))
        .then(pl.lit("win"))
        .when(is_significant)
        .then(pl.lit("loss"))
        .otherwise(pl.lit("flat"))
    )
