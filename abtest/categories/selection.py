"""Lifts of categories that were called significant, corrected for having been called so.

An estimate that passed a threshold is too large on average: that is why it passed. Given selection
its z-score has the density ``phi(z - mu) / P(|Z| > c; mu)`` on ``|z| > c``. The corrected effect is
the most likely mu (Zhong and Prentice 2008, "Bias-reduced estimators and confidence intervals for
odds ratios in genome-wide association studies", the conditional likelihood; Ghosh, Zou, Wright
2008), which solves

    E[Z | |Z| > c; mu] = z,

and the interval inverts the conditional distribution with equal tails. Selection is on both sides,
so both limits always exist. It may contain no effect although the category is significant: the
test asks whether the plain p-value is small, the interval what remains once that is known.

Where a threshold depends on other categories (Benjamini-Hochberg, Holm), it is the largest p-value
at which this category is still selected with the others as they are; for independent errors this is
exactly the event of selection (Benjamini and Yekutieli 2005, definition 1, step 3).

Type S and type M errors: Gelman and Carlin 2014, "Beyond power calculations".
"""

import bisect
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from abtest.categories.multiplicity import Correction, adjusted_p_values, family_text
from abtest.config import Analysis
from abtest.estimation.clustered import Estimate
from caig.contracts.categories import SELECTED_LIFTS
from caig.contracts.experiments import ALL_CATEGORIES

Floats = NDArray[np.float64]
BISECTIONS = 60
REACH = 40.0


class SelectionErrors(NamedTuple):
    """What a threshold does to estimates of a given true effect; shapes (k,).

    Attributes:
        power: Probability of being selected.
        type_s: Of those selected, the share with the wrong sign.
        type_m: Of those selected, the mean factor of exaggeration; inf where there is no effect.
    """

    power: Floats
    type_s: Floats
    type_m: Floats


def conditional_estimate(z: Floats, threshold: Floats, alpha: float) -> Estimate:
    """Effects on the scale of z given that ``|z| > threshold``, with conditional intervals.

    Args:
        z: Shape (k,), estimates over their standard errors, ``|z| >= threshold``.
        threshold: Shape (k,), positive.
        alpha: 1 - confidence, given selection.

    Returns:
        Effects between 0 and z, with limits.
    """
    size = np.abs(z)

    def mean_excess(mu: Floats) -> Floats:
        return _selected_mean(mu, threshold) - size

    def tail_share(mu: Floats) -> Floats:
        return _tail_share(size, mu, threshold)

    value = _rising_root(mean_excess, 0.0, np.zeros_like(size), size)
    low, high = (
        _rising_root(tail_share, share, size - REACH, size + REACH)
        for share in (alpha / 2, 1 - alpha / 2)
    )
    is_negative = z < 0
    return Estimate(
        np.where(is_negative, -value, value),
        np.where(is_negative, -high, low),
        np.where(is_negative, -low, high),
    )


def selection_errors(effect: Floats, se: Floats, threshold: Floats) -> SelectionErrors:
    """Type S and type M errors of a design (Gelman and Carlin 2014, section 2).

    Args:
        effect: Shape (k,), true effects.
        se: Their standard errors.
        threshold: Selection is at ``|estimate / se| > threshold``.
    """
    mu = np.abs(effect) / se
    right, wrong = special.ndtr(mu - threshold), special.ndtr(-mu - threshold)
    power = right + wrong
    # E|Z| where |Z| > c, in closed form.
    size = mu * (right - wrong) + _density(threshold - mu) + _density(threshold + mu)
    with np.errstate(divide="ignore"):
        exaggeration = size / power / mu
    # Never below 1 but by rounding.
    return SelectionErrors(power, wrong / power, np.maximum(exaggeration, 1.0))


def selection_levels(p_values: Floats, correction: Correction, alpha: float) -> Floats:
    """Largest p-value at which each selected test would still be selected, the others unchanged.

    Args:
        p_values: Shape (m,), one family, none unknown.
        correction: How it is corrected.
        alpha: Tests with an adjusted p-value below this are selected.

    Returns:
        Shape (m,); NaN where a test is not selected. A test is selected below its level.
    """
    m = p_values.size
    rank = np.arange(1, m + 1)
    # Every correction compares with one of these.
    candidates = np.unique(
        {
            "none": np.array([alpha]),
            "bonferroni": np.array([alpha / m]),
            "holm": alpha / rank,
            "hochberg": alpha / rank,
            "bh": alpha * rank / m,
            "by": alpha * rank / m / np.sum(1 / rank),
        }[correction]
    ).tolist()
    levels = np.full(m, np.nan)
    for k in np.flatnonzero(adjusted_p_values(p_values, correction) < alpha):

        def adjusted_at(candidate: float, k: int = int(k)) -> float:
            moved = p_values.copy()
            moved[k] = candidate * (1 - 1e-9)
            return float(adjusted_p_values(moved, correction)[k])

        kept = bisect.bisect_left(candidates, alpha, key=adjusted_at)
        levels[k] = candidates[max(kept - 1, 0)]
    return levels


def selected_lifts(cells: pl.DataFrame, *, analysis: Analysis) -> pl.DataFrame:
    """``selected_lifts/1``: category cells that the lift table calls significant.

    Standard errors are those at which z, the normal score of the p-value, is the log lift over its
    standard error, so the correction fits the test that selected.

    Args:
        cells: Estimated cells (:func:`abtest.estimation.cells.estimate_cells`) with
            ``experiment_id, contrast, category``.
        analysis: Level and correction; a family is an experiment's category cells.

    Returns:
        Empty where nothing is significant.
    """
    is_tested = (pl.col("category") != ALL_CATEGORIES) & pl.col("p_value").is_not_null()
    parts = [
        _selected_rows(family, analysis)
        for family in cells.filter(is_tested).partition_by("experiment_id", maintain_order=True)
    ]
    return pl.concat([SELECTED_LIFTS.empty(), *parts])


def _selected_rows(family: pl.DataFrame, analysis: Analysis) -> pl.DataFrame:
    levels = selection_levels(family["p_value"].to_numpy(), analysis.correction, analysis.alpha)
    selected = family.filter(pl.Series(~np.isnan(levels)))
    log_lift = np.log1p(selected["rel_lift"].to_numpy())
    p_values = np.maximum(selected["p_value"].to_numpy(), 1e-300)
    z = np.sign(log_lift) * -special.ndtri(p_values / 2)
    threshold = -special.ndtri(levels[~np.isnan(levels)] / 2)
    se = log_lift / z
    corrected = conditional_estimate(z, threshold, analysis.alpha)
    errors = selection_errors(corrected.value * se, se, threshold)
    columns = {
        "z": z,
        "threshold": threshold,
        "rel_lift_corrected": np.expm1(corrected.value * se),
        "rel_lift_corrected_ci_lower": np.expm1(corrected.lower * se),
        "rel_lift_corrected_ci_upper": np.expm1(corrected.upper * se),
        "type_s": errors.type_s,
        "type_m": errors.type_m,
    }
    text = family_text(analysis.correction, family.height)
    return (
        selected.select("experiment_id", "contrast", "category", "rel_lift")
        .with_columns(pl.Series(name, values) for name, values in columns.items())
        .with_columns(adjustment=pl.lit(text), alpha=pl.lit(analysis.alpha))
        .select(SELECTED_LIFTS.schema.names())
    )


def _density(x: Floats) -> Floats:
    return np.asarray(np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))


def _selected_mean(mu: Floats, threshold: Floats) -> Floats:
    """E[Z | |Z| > c; mu]; rises with mu from 0."""
    power = special.ndtr(mu - threshold) + special.ndtr(-mu - threshold)
    return mu + (_density(threshold - mu) - _density(threshold + mu)) / power


def _tail_share(z: Floats, mu: Floats, threshold: Floats) -> Floats:
    """P(Z >= z | |Z| > c; mu) for z >= c; rises with mu from 0 to 1."""
    # On the log scale: far below 0 the tails and their sum are all tiny.
    right, wrong = special.log_ndtr(mu - threshold), special.log_ndtr(-mu - threshold)
    return np.asarray(np.exp(special.log_ndtr(mu - z) - np.logaddexp(right, wrong)))


def _rising_root(
    function: Callable[[Floats], Floats], target: float, lower: Floats, upper: Floats
) -> Floats:
    """Where rising functions reach the target, by bisection of all at once."""
    for _ in range(BISECTIONS):
        middle = (lower + upper) / 2
        is_below = function(middle) < target
        lower, upper = np.where(is_below, middle, lower), np.where(is_below, upper, middle)
    return (lower + upper) / 2
