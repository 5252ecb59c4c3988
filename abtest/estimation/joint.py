"""Lifts of many categories, or days, together: their estimates and the covariance of their errors.

A unit that meets several categories brings impressions to each, so their lifts share its luck. By
the delta method on the linearised residuals ``e_ik = (c_ik - R_k * n_ik) / N_k`` of unit i in
category k (Deng, Knoblich, Lu 2018, section 3, for two ratios)

    cov(R_k, R_l) = sqrt(f_k * f_l) * sum_i(e_ik * e_il),    f_k = K_k / (K_k - 1)

with K_k units in category k, so that the diagonal is the variance of
:func:`abtest.estimation.clustered.ctr_variance`. The sums of products suffice; no unit is seen.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from abtest.counting.sums import Sums
from caig.contracts.experiments import ALL_CATEGORIES

Floats = NDArray[np.float64]


class JointMoments(NamedTuple):
    """Sums over the units of one arm by label; k labels, zeros where a label has no traffic.

    Attributes:
        units: Shape (k,), units seen under each label.
        n: Shape (k,), impressions.
        c: Shape (k,), clicks.
        nn: Shape (k, k), ``sum_i n_ia * n_ib``, symmetric.
        nc: Shape (k, k), ``sum_i n_ia * c_ib``, row a, column b.
        cc: Shape (k, k), ``sum_i c_ia * c_ib``, symmetric.
    """

    units: Floats
    n: Floats
    c: Floats
    nn: Floats
    nc: Floats
    cc: Floats


def category_moments(
    sums: Sums, experiment: str, arm: str, categories: Sequence[str]
) -> JointMoments:
    """Joint moments of an arm's categories, in the given order."""
    is_arm = (pl.col("experiment_id") == experiment) & (pl.col("arm") == arm)
    totals = (
        sums.daily.filter(is_arm & (pl.col("category") != ALL_CATEGORIES))
        .group_by(label="category")
        .agg(pl.col("n", "c").sum())
    )
    return _gathered(totals, sums.by_category.filter(is_arm), list(categories))


def day_moments(sums: Sums, experiment: str, arm: str, days: Sequence[date]) -> JointMoments:
    """Joint moments of an arm's days, categories pooled, in the given order."""
    is_arm = (pl.col("experiment_id") == experiment) & (pl.col("arm") == arm)
    totals = (
        sums.daily.filter(is_arm & (pl.col("category") == ALL_CATEGORIES))
        .group_by(label="day")
        .agg(pl.col("n", "c").sum())
    )
    return _gathered(totals, sums.by_day.filter(is_arm), list(days))


def ctr_covariance(arm: JointMoments) -> Floats:
    """Covariance of the labels' CTRs.

    Args:
        arm: Moments of k labels.

    Returns:
        Shape (k, k); NaN in rows and columns of labels without impressions or with one unit.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = arm.c / arm.n
        residuals = (
            arm.cc
            - rate[:, None] * arm.nc
            - rate[None, :] * arm.nc.T
            + rate[:, None] * rate[None, :] * arm.nn
        )
        scale = np.where(arm.units > 1, np.sqrt(arm.units / (arm.units - 1)) / arm.n, np.nan)
    return np.asarray(scale[:, None] * scale[None, :] * residuals)


def log_lifts(control: JointMoments, treatment: JointMoments) -> tuple[Floats, Floats]:
    """Log lifts of the labels and the covariance of their errors.

    Args:
        control: Moments of control.
        treatment: Moments of treatment, same labels.

    Returns:
        Shapes (k,) and (k, k); NaN where a label has no click in an arm.
    """
    covariance = np.zeros((control.n.size, control.n.size))
    logs = []
    for arm in (treatment, control):
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(arm.c > 0, arm.c / arm.n, np.nan)
            covariance = covariance + ctr_covariance(arm) / (rate[:, None] * rate[None, :])
            logs.append(np.log(rate))
    return logs[0] - logs[1], covariance


def _gathered(totals: pl.DataFrame, products: pl.DataFrame, labels: list[object]) -> JointMoments:
    k = len(labels)
    position = {label: index for index, label in enumerate(labels)}
    n, c, units = np.zeros(k), np.zeros(k), np.zeros(k)
    nn, nc, cc = np.zeros((k, k)), np.zeros((k, k)), np.zeros((k, k))
    for label, n_sum, c_sum in totals.select("label", "n", "c").iter_rows():
        if label in position:
            n[position[label]], c[position[label]] = n_sum, c_sum
    found = products.filter(pl.col("label").is_in(labels) & pl.col("other").is_in(labels))
    names = ("label", "other", "units", "nn", "nc", "cn", "cc")
    for label, other, both, *sums in found.select(names).iter_rows():
        a, b = position[label], position[other]
        nn[a, b] = nn[b, a] = sums[0]
        nc[a, b], nc[b, a] = sums[1], sums[2]
        cc[a, b] = cc[b, a] = sums[3]
        if a == b:
            units[a] = both
    return JointMoments(units, n, c, nn, nc, cc)
