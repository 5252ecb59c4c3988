"""Sample ratio by category of first exposure: where did the units go missing?

A treatment that changes which categories units see moves the units *seen* in a category by itself;
such a count is an effect, not a sample ratio. The category a unit saw first is decided before the
treatment had time to act, so that units by first category keep the declared split in every category
(Fabijan et al. 2019, "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments", finds
causes by such segments). That fails where the treatment acts on which category comes first. Of
several categories on the first day the log does not tell the order, and the first by name is taken:
a treatment that adds a category to the first day can shift that too. The detail says so.
"""

import polars as pl

from abtest.categories.multiplicity import family_text
from abtest.config import LiftConfig
from abtest.health.rows import completed, experiments_of, health_rows
from abtest.health.sample_ratio import chi_square
from caig.contracts.experiments import ALL_CATEGORIES

CHECK = "sample_ratio_by_category"
SHOWN = 5
CAUTION = {
    "unit": "A treatment that acts on which category comes first can do this too",
    "impression": "A treatment that changes what units see can do this too",
}


def first_exposure_check(ratios: pl.DataFrame, config: LiftConfig) -> pl.DataFrame:
    """The check by category, one row of ``health/1`` an experiment.

    Args:
        ratios: ``sample_ratio/1``.
        config: Design and thresholds.
    """
    cells = (
        ratios.filter(pl.col("category") != ALL_CATEGORIES)
        .group_by("experiment_id", "category", maintain_order=True)
        .agg(
            pl.col("p_value_adj", "status").first(),
            statistic=chi_square(pl.col("observed"), pl.col("expected")),
        )
        .sort("experiment_id", "p_value_adj", -pl.col("statistic"), nulls_last=True)
    )
    failed = pl.col("status") == "unhealthy"
    tested = pl.col("p_value_adj").is_not_null()
    found = cells.group_by("experiment_id", maintain_order=True).agg(
        n=pl.len(),
        n_tested=tested.sum(),
        n_failed=failed.sum(),
        worst=pl.col("category").filter(failed).head(SHOWN),
        statistic=pl.col("statistic").filter(tested).first(),
        p_value=pl.col("p_value_adj").first(),
    )
    details = [
        _detail(*row, config=config)
        for row in found.select("n", "n_tested", "n_failed", "worst").iter_rows()
    ]
    status = (
        pl.when(pl.col("n_failed") > 0)
        .then(pl.lit("unhealthy"))
        .when(pl.col("n_tested") > 0)
        .then(pl.lit("healthy"))
        .otherwise(pl.lit("not_enough_traffic"))
    )
    found = found.with_columns(status=status, detail=pl.Series(details, dtype=pl.String))
    rows = health_rows(found, CHECK, threshold=config.health.sample_ratio_alpha)
    return completed(rows, experiments_of(ratios), CHECK, "the log names no category")


def _detail(n: int, n_tested: int, n_failed: int, worst: list[str], *, config: LiftConfig) -> str:
    by = "by the units that saw them first, " if config.design.randomisation == "unit" else ""
    detail = (
        f"{n_failed} of {n_tested} categories are off the declared split "
        f"({by}{family_text('holm', n_tested)})"
    )
    if n > n_tested:
        detail += f"; {n - n_tested} have too little traffic to tell"
    if n_failed:
        detail += f"; worst: {', '.join(worst)}. {CAUTION[config.design.randomisation]}"
    return detail
