"""Rows of ``health/1`` from what a check found, for all experiments at once."""

from collections.abc import Iterable

import polars as pl

from caig import text
from caig.contracts.experiments import HEALTH


def experiments_of(daily: pl.DataFrame) -> pl.Series:
    """Names of all experiments, sorted."""
    return daily["experiment_id"].unique().sort()


def health_rows(found: pl.DataFrame, check: str, *, threshold: float) -> pl.DataFrame:
    """Rows of one check.

    Args:
        found: One row an experiment: ``experiment_id, status, detail``, and ``statistic`` and
            ``p_value`` where the check has them.
        check: Name of the check.
        threshold: Beyond which it is unhealthy.
    """
    absent = [name for name in ("statistic", "p_value") if name not in found.columns]
    return (
        found.with_columns(
            check=pl.lit(check), threshold=pl.lit(threshold), **dict.fromkeys(absent, pl.lit(None))
        )
        .select(HEALTH.schema.names())
        .cast(HEALTH.schema)
        .with_columns(pl.col("statistic", "p_value").fill_nan(None))
    )


def completed(rows: pl.DataFrame, experiments: pl.Series, check: str, reason: str) -> pl.DataFrame:
    """``rows`` and, for every other experiment, a row that says why the check does not apply."""
    rest = experiments.rename("experiment_id").to_frame().join(rows, on="experiment_id", how="anti")
    unchecked = rest.with_columns(
        check=pl.lit(check),
        status=pl.lit("not_applicable"),
        **dict.fromkeys(("statistic", "p_value", "threshold"), pl.lit(None, dtype=pl.Float64)),
        detail=pl.lit(reason),
    )
    return pl.concat([rows, unchecked.select(HEALTH.schema.names())])


def counts(values: Iterable[float | None]) -> pl.Series:
    """Counts as texts with thousands separators."""
    return pl.Series([text.count(value) for value in values], dtype=pl.String)
