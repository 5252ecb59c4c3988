"""What arms came to: means over seeds with intervals, and shares of what another arm gained.

The unit is a seed: it draws the products that are trained on and tested, all samples, corruptions
and the order of training. Intervals are Student's over seeds. A share of gains is a ratio of two
means paired by seed, with Fieller's interval (Fieller 1954): all ratios q for which mean(a - q b)
is not told from 0.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy import stats

from caig.contracts.studies import STUDY_ESTIMATES
from caig.contracts.table import check

CONFIDENCE = 0.95

MATCHING, GAIN = "matching", "true_ctr_gain"
KEPT, SHARE = "matching_kept", "gain_share"
"""Matching at the end as a share of the start's; gain in true CTR as a share of the baseline's."""


class Estimate(NamedTuple):
    """An estimate with its interval.

    Attributes:
        mean: Estimate; None where it cannot be made.
        lower: Lower limit; None where there is none.
        upper: Upper limit; None where there is none.
        n: Seeds (count).
        method: How the interval was made.
        status: As in ``study_estimates/1``.
    """

    mean: float | None
    lower: float | None
    upper: float | None
    n: int
    method: str
    status: str


def mean_over_seeds(values: list[float]) -> Estimate:
    """Mean with Student's interval.

    Args:
        values: One a seed.
    """
    method = "Student's t over seeds"
    n = len(values)
    if not n:
        return Estimate(None, None, None, 0, method, "unknown")
    mean = float(np.mean(values))
    if n == 1:
        return Estimate(mean, None, None, 1, method, "one_seed")
    half = float(_quantile(n) * np.std(values, ddof=1) / math.sqrt(n))
    return Estimate(mean, mean - half, mean + half, n, method, "ok")


def ratio_over_seeds(top: list[float], bottom: list[float]) -> Estimate:
    """Ratio of two means that are paired by seed, with Fieller's interval.

    Args:
        top: Numerators, one a seed.
        bottom: Denominators of the same seeds.

    Returns:
        Estimate; status "unbounded" where the mean denominator cannot be told from 0.
    """
    method = "Fieller over seeds, paired"
    n = len(top)
    if not n or len(bottom) != n or np.mean(bottom) == 0:
        return Estimate(None, None, None, 0, method, "unknown")
    a, b = float(np.mean(top)), float(np.mean(bottom))
    if n == 1:
        return Estimate(a / b, None, None, 1, method, "one_seed")
    (va, vab), (_, vb) = np.cov(top, bottom) / n
    q2 = _quantile(n) ** 2
    # Roots of (a - r b)^2 = q2 (va - 2 r vab + r^2 vb).
    square, middle, constant = b * b - q2 * vb, a * b - q2 * vab, a * a - q2 * va
    inside = middle * middle - square * constant
    if square <= 0 or inside < 0:
        return Estimate(a / b, None, None, n, method, "unbounded")
    half = math.sqrt(inside)
    low, high = (middle - half) / square, (middle + half) / square
    return Estimate(a / b, float(low), float(high), n, method, "ok")


def last_figures(figures: pl.DataFrame) -> pl.DataFrame:
    """Figures of the last epoch that each alignment measured, beside those of its start.

    Args:
        figures: ``study_figures/1``.

    Returns:
        All columns, and ``start``: the same figure at epoch 0.
    """
    key = ["phase", "judge", "arm", "learning_rate", "seed"]
    start = figures.filter(pl.col("epoch") == 0).select(*key, "metric", start="value")
    last = figures.filter(pl.col("epoch") == pl.col("epoch").max().over(key))
    return last.join(start, on=[*key, "metric"], how="left", maintain_order="left")


def estimates_of(figures: pl.DataFrame, *, baseline: str) -> pl.DataFrame:
    """``study_estimates/1`` of the reported runs.

    Args:
        figures: ``study_figures/1``.
        baseline: Arm whose gain others' is told as a share of.
    """
    last = last_figures(figures.filter(pl.col("phase") == "report"))
    rows = []
    for (judge, arm, rate), of_arm in last.group_by(
        "judge", "arm", "learning_rate", maintain_order=True
    ):
        of_judge = last.filter(pl.col("judge") == judge)
        found = {
            str(metric): mean_over_seeds(rows["value"].drop_nulls().to_list())
            for (metric,), rows in of_arm.group_by("metric", maintain_order=True)
        }
        found[KEPT] = mean_over_seeds(_kept(of_arm))
        found[SHARE] = ratio_over_seeds(*_paired(of_arm, of_judge, baseline))
        rows += [
            (judge, arm, rate, metric, *one[:4], CONFIDENCE, *one[4:])
            for metric, one in found.items()
        ]
    table = pl.DataFrame(rows, schema=STUDY_ESTIMATES.schema, orient="row")
    return check(table, STUDY_ESTIMATES, source="estimates of the study")


def start_of(figures: pl.DataFrame) -> Mapping[str, Estimate]:
    """Figures of the prompt model that all arms begin with, on the reported products."""
    start = figures.filter(pl.col("phase") == "report", pl.col("epoch") == 0)
    once = start.unique(["seed", "metric"], keep="first", maintain_order=True)
    return {
        str(metric): mean_over_seeds(rows["value"].drop_nulls().to_list())
        for (metric,), rows in once.group_by("metric", maintain_order=True)
    }


def chosen_rate(figures: pl.DataFrame, *, least_valid: float) -> float:
    """The learning rate of one arm under one judge, by what anybody can know without the truth.

    Args:
        figures: ``study_figures/1`` of the arm's sweep.
        least_valid: Least share of the start's valid prompts.

    Returns:
        Of the rates that keep so many prompts valid the one whose ads the judge prefers most often
        to the start's, or else the one with most valid prompts.
    """
    last = last_figures(figures)
    wide = (
        last.filter(pl.col("metric").is_in(["valid", "rm_win_rate"]))
        .group_by("learning_rate", "metric")
        .agg(pl.col("value").mean(), pl.col("start").mean())
    )
    valid = wide.filter(pl.col("metric") == "valid")
    kept = valid.filter(pl.col("value") >= least_valid * pl.col("start"))
    if not kept.height:
        return float(valid.sort("value", "learning_rate")["learning_rate"][-1])
    wins = wide.filter(
        pl.col("metric") == "rm_win_rate",
        pl.col("learning_rate").is_in(kept["learning_rate"].implode()),
    )
    return float(wins.sort("value", "learning_rate")["learning_rate"][-1])


def _kept(of_arm: pl.DataFrame) -> list[float]:
    rows = of_arm.filter(pl.col("metric") == MATCHING).drop_nulls(["value", "start"])
    return (rows["value"] / rows["start"]).to_list()


def _paired(
    of_arm: pl.DataFrame, of_judge: pl.DataFrame, baseline: str
) -> tuple[list[float], list[float]]:
    gains = of_judge.filter(pl.col("metric") == GAIN, pl.col("arm") == baseline)
    pairs = (
        of_arm.filter(pl.col("metric") == GAIN)
        .select("seed", "value")
        .join(gains.select("seed", baseline="value"), on="seed", maintain_order="left")
        .drop_nulls()
    )
    return pairs["value"].to_list(), pairs["baseline"].to_list()


def _quantile(n: int) -> float:
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1))
