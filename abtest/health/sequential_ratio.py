"""Sample ratio that may be looked at every day: a mixture test whose p-value is always valid.

The counts of all arms so far are compared under the declared split and under splits drawn from a
Dirichlet distribution around it (Lindon and Malek 2022, "Anytime-Valid Inference for Multinomial
Count Data", section 3). Under the declared split the Bayes factor is a martingale with mean 1, so
by Ville's inequality ``1 / (largest Bayes factor so far)`` is a p-value however often one looks and
whenever one stops. Units are counted on the day they were first seen, so none counts twice.

What it adds is *when* a mismatch showed; whether there is one at the end the fixed check finds with
more power, so verdicts are withheld by that one and not by this.
"""

from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from abtest.config import LiftConfig
from abtest.counting.sums import Sums
from abtest.health.rows import completed, experiments_of, health_rows
from abtest.health.sample_ratio import declared_shares
from abtest.health.traffic_by_day import daily_traffic
from caig import text
from caig.contracts.health import SEQUENTIAL_RATIO

Floats = NDArray[np.float64]
CHECK = "sample_ratio_sequential"


def log_bayes_factor(counts: Floats, shares: Floats, concentration: float = 100.0) -> Floats:
    """Log Bayes factor of splits around the declared one, against the declared one.

    Args:
        counts: Shape (..., arms).
        shares: Shape (..., arms), the declared split; adds up to 1 along the last axis.
        concentration: Of the Dirichlet prior, whose mean is the declared split.

    Returns:
        Shape (...).
    """
    by_arm = _of_arms(counts, shares, concentration).sum(-1)
    return np.asarray(by_arm + _of_all(counts.sum(-1), concentration))


def always_valid_p(log_bayes_factors: Floats) -> Floats:
    """p-values valid at every look: ``min(1, 1 / largest Bayes factor so far)``.

    Args:
        log_bayes_factors: Shape (..., looks), in order of time.
    """
    return np.exp(-np.maximum(np.maximum.accumulate(log_bayes_factors, -1), 0.0))


def sequential_ratios(sums: Sums, config: LiftConfig) -> pl.DataFrame:
    """The test after every day of every experiment.

    Args:
        sums: Sums of the log.
        config: Design and thresholds.

    Returns:
        ``sequential_ratio/1``; without the experiments whose log names no day.

    Raises:
        DataError: The declared split and an experiment do not have the same arms.
    """
    traffic = daily_traffic(sums, config)
    shares = declared_shares(traffic.select("experiment_id", "arm").unique(), config)
    key = ["experiment_id", "arm"]
    so_far = (
        traffic.join(shares, on=key)
        .sort("experiment_id", "arm", "day")
        .with_columns(pl.col("observed").cum_sum().over(key))
    )
    observed, share = (so_far[name].to_numpy().astype(np.float64) for name in ("observed", "share"))
    concentration = config.health.sequential_concentration
    days = (
        so_far.with_columns(term=_of_arms(observed, share, concentration))
        .group_by("experiment_id", "day")
        .agg(pl.col("term").sum(), n_counted=pl.col("observed").sum())
        .sort("experiment_id", "day")
    )
    total = days["n_counted"].to_numpy().astype(np.float64)
    of_all = pl.Series(_of_all(total, concentration))
    largest = pl.col("log_bayes_factor").cum_max().over("experiment_id")
    return (
        days.with_columns(log_bayes_factor=pl.col("term") + of_all)
        .with_columns(
            p_value=(-largest.clip(lower_bound=0.0)).exp(),
            counted=pl.lit("units" if config.design.randomisation == "unit" else "impressions"),
        )
        .select(SEQUENTIAL_RATIO.schema.names())
    )


def sequential_check(ratios: pl.DataFrame, daily: pl.DataFrame, config: LiftConfig) -> pl.DataFrame:
    """The check, one row of ``health/1`` an experiment.

    Args:
        ratios: ``sequential_ratio/1``.
        daily: As of :class:`abtest.counting.sums.Sums`, for the experiments without days.
        config: Thresholds.
    """
    alpha = config.health.sample_ratio_alpha
    found = ratios.group_by("experiment_id", maintain_order=True).agg(
        n_days=pl.len(),
        crossed=pl.col("day").filter(pl.col("p_value") < alpha).first(),
        statistic=pl.col("log_bayes_factor").max(),
        p_value=pl.col("p_value").last(),
    )
    details = [
        _detail(*row, alpha=alpha)
        for row in found.select("n_days", "crossed", "statistic", "p_value").iter_rows()
    ]
    status = pl.when(pl.col("crossed").is_null()).then(pl.lit("healthy"))
    found = found.with_columns(
        status=status.otherwise(pl.lit("unhealthy")),
        detail=pl.Series(details, dtype=pl.String),
    )
    rows = health_rows(found, CHECK, threshold=alpha)
    return completed(rows, experiments_of(daily), CHECK, "the log names no day")


def _detail(n_days: int, crossed: date | None, largest: float, p: float, *, alpha: float) -> str:
    looks = f"looked at after each of {text.plural(n_days, 'day')}"
    if crossed is None:
        return (
            f"{looks}, the split was never off the declared one (always-valid p {text.p_value(p)})"
        )
    return (
        f"{looks}, the split was first off the declared one on {crossed} "
        f"(always-valid p below {alpha:g}; largest log Bayes factor {largest:.3g})"
    )


def _of_arms(counts: Floats, shares: Floats, concentration: float) -> Floats:
    prior = concentration * shares
    mixed = special.gammaln(prior + counts) - special.gammaln(prior)
    return np.asarray(mixed - counts * np.log(shares))


def _of_all(total: Floats, concentration: float) -> Floats:
    return np.asarray(special.gammaln(concentration) - special.gammaln(concentration + total))
