"""What the data say of each category's true lift, as probabilities to decide by.

Where a contrast has four tested categories or more, the prior is learned from them: the posterior
of a log lift is normal with the mean and variance of the shrunk effect (Morris 1983;
:mod:`abtest.categories.pooling`), so a category does not look good merely for being noisy. With
fewer nothing can be learned: clicks of randomised impressions then have a uniform prior
(:mod:`abtest.categories.beta_binomial`), and clustered log lifts none.

For a normal log lift with mean m and standard deviation s, and lift ``L = exp(log lift) - 1``,

    P(L > 0) = Phi(m / s)
    E[max(-L, 0)] = Phi(-m / s) - exp(m + s^2 / 2) * Phi(-m / s - s)
    E[max(L, 0)] = exp(m + s^2 / 2) * Phi(m / s + s) - Phi(m / s).

The variance allows for the prior being estimated, so where true lifts differ much less than the
estimates' errors the losses are overstated (simulated: a spread of 0.02 beside errors of 0.05 gives
twice the true loss, a spread of 0.06 one twentieth more) and a category can look worse than it is.

A loss is the mean lift forgone by a decision, in the sense of Stucchio 2015, "Bayesian A/B testing
at VWO", section 4, on the relative scale; the region of practical equivalence as in Kruschke 2013.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from abtest.categories import beta_binomial
from abtest.categories.config import Categories
from abtest.categories.shrinkage import SHRUNK
from abtest.config import Analysis, Design
from abtest.estimation.binomial import Clicks
from abtest.estimation.clustered import Estimate
from caig.contracts.categories import CATEGORY_POSTERIOR
from caig.contracts.experiments import ALL_CATEGORIES

Floats = NDArray[np.float64]


class LiftPosterior(NamedTuple):
    """Posterior of relative lifts; shapes (k,).

    Attributes:
        lift: Median and credible interval (fraction).
        p_better: Probability that lift is above 0.
        expected_loss_ship: Mean of ``max(-lift, 0)``.
        expected_loss_hold: Mean of ``max(lift, 0)``.
        p_rope: Probability that lift is within plus and minus the given bound.
    """

    lift: Estimate
    p_better: Floats
    expected_loss_ship: Floats
    expected_loss_hold: Floats
    p_rope: Floats


def normal_posterior(mean: Floats, sd: Floats, *, rope: float, alpha: float) -> LiftPosterior:
    """Posterior of lifts whose logs are normal.

    Args:
        mean: Shape (k,), means of log lift.
        sd: Shape (k,), standard deviations, positive.
        rope: Bound of practical equivalence (fraction), below 1.
        alpha: 1 - credibility.
    """
    score = mean / sd
    mean_ratio = np.exp(mean + sd**2 / 2)
    ship = special.ndtr(-score) - mean_ratio * special.ndtr(-score - sd)
    hold = mean_ratio * special.ndtr(score + sd) - special.ndtr(score)
    half = special.ndtri(1 - alpha / 2) * sd
    upper, lower = (special.ndtr((np.log1p(bound) - mean) / sd) for bound in (rope, -rope))
    return LiftPosterior(
        Estimate(np.expm1(mean), np.expm1(mean - half), np.expm1(mean + half)),
        special.ndtr(score),
        # Far in a tail the difference of two nearly equal numbers may fall below 0.
        np.maximum(ship, 0.0),
        np.maximum(hold, 0.0),
        upper - lower,
    )


def clicks_posterior(
    control: Clicks, treatment: Clicks, *, rope: float, alpha: float
) -> LiftPosterior:
    """Posterior of lifts of independent impressions, with uniform priors of both CTRs.

    Args:
        control: Clicks and impressions of k cells.
        treatment: The same of treatment.
        rope: Bound of practical equivalence (fraction), below 1.
        alpha: 1 - credibility.
    """
    arms = beta_binomial.posterior_ctr(control), beta_binomial.posterior_ctr(treatment)
    ship, hold = beta_binomial.relative_losses(*arms)
    upper, lower = (
        beta_binomial.ratio_at_most(*arms, np.full_like(arms[0].a, 1 + bound))
        for bound in (rope, -rope)
    )
    return LiftPosterior(
        beta_binomial.lift_quantiles(*arms, alpha),
        np.clip(beta_binomial.probability_better(*arms), 0.0, 1.0),
        ship,
        hold,
        np.clip(upper - lower, 0.0, 1.0),
    )


def category_posterior(
    cells: pl.DataFrame, *, design: Design, analysis: Analysis, categories: Categories
) -> pl.DataFrame:
    """``category_posterior/1`` of all tested category cells.

    Args:
        cells: Cells with shrunk lifts (:func:`abtest.categories.shrinkage.shrink_cells`, at the
            same alpha).
        design: How traffic was split.
        analysis: Level.
        categories: Region of practical equivalence.

    Returns:
        Empty where there are no categories.
    """
    is_pooled = (pl.col("status") == "ok") & pl.col("log_lift_se").is_not_null()
    tested = cells.filter(is_pooled & (pl.col("category") != ALL_CATEGORIES))
    is_shrunk = pl.col("rel_lift_shrunk").is_not_null()
    parts = [CATEGORY_POSTERIOR.empty()]
    for group, has_prior in ((tested.filter(is_shrunk), True), (tested.filter(~is_shrunk), False)):
        if group.is_empty():
            continue
        method, found = _posterior(group, design, analysis.alpha, categories.rope, prior=has_prior)
        parts.append(_rows(group, found, method, alpha=analysis.alpha, rope=categories.rope))
    return pl.concat(parts).sort("experiment_id", "contrast", "category")


def _posterior(
    group: pl.DataFrame, design: Design, alpha: float, rope: float, *, prior: bool
) -> tuple[str, LiftPosterior]:
    if prior:
        shrunk = Estimate(*(np.log1p(group[name].to_numpy()) for name in SHRUNK))
        sd = (shrunk.upper - shrunk.lower) / (2 * special.ndtri(1 - alpha / 2))
        return "empirical_bayes", normal_posterior(shrunk.value, sd, rope=rope, alpha=alpha)
    if design.randomisation == "impression":
        control, treatment = (
            Clicks(*(group[f"{name}_{arm}"].to_numpy().astype(np.float64) for name in ("c", "n")))
            for arm in ("control", "treatment")
        )
        return "beta_binomial", clicks_posterior(control, treatment, rope=rope, alpha=alpha)
    mean, sd = np.log1p(group["rel_lift"].to_numpy()), group["log_lift_se"].to_numpy()
    return "flat_prior", normal_posterior(mean, sd, rope=rope, alpha=alpha)


def _rows(
    group: pl.DataFrame, found: LiftPosterior, method: str, *, alpha: float, rope: float
) -> pl.DataFrame:
    columns = {
        **dict(zip(SHRUNK, found.lift, strict=True)),
        "p_better": found.p_better,
        "expected_loss_ship": found.expected_loss_ship,
        "expected_loss_hold": found.expected_loss_hold,
        "p_rope": found.p_rope,
    }
    return (
        group.select("experiment_id", "contrast", "category")
        .with_columns(pl.Series(name, values) for name, values in columns.items())
        .with_columns(rope=pl.lit(rope), alpha=pl.lit(alpha), method=pl.lit(method))
        .select(CATEGORY_POSTERIOR.schema.names())
    )
