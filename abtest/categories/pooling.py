"""Random-effects pooling of category lifts: how much they differ, and each one shrunk accordingly.

Log lifts ``y_k`` with known variances ``v_k`` are taken as ``y_k ~ N(theta_k, v_k)``,
``theta_k ~ N(mu, tau2)``. The spread ``tau2`` is learned from the categories themselves, so noisy
categories move far towards the common lift and precise ones hardly. A category picked because it
looks best is too good on average; its shrunk lift is not.

Sources: DerSimonian and Laird 1986; Paule and Mandel 1982; REML as in Viechtbauer 2005; intervals
of shrunk effects by Morris 1983, "Parametric empirical Bayes inference".
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from abtest.estimation.clustered import Estimate

Floats = NDArray[np.float64]
SpreadMethod = Literal["reml", "pm", "dl"]


class Heterogeneity(NamedTuple):
    """How much effects differ.

    Attributes:
        q: Cochran's Q.
        p_value: Of no difference, chi-square with k - 1 degrees of freedom.
        i2: Share of the variation that is not noise, ``max(0, (Q - df) / Q)``.
        tau2: Variance of true effects.
        mean: Mean of true effects.
        mean_se: Its standard error.
    """

    q: float
    p_value: float
    i2: float
    tau2: float
    mean: float
    mean_se: float


def heterogeneity(y: Floats, v: Floats, method: SpreadMethod = "reml") -> Heterogeneity:
    """Estimate the spread of true effects and their mean.

    Args:
        y: Shape (k,), effects.
        v: Shape (k,), their variances, positive.
        method: Estimator of ``tau2``: restricted maximum likelihood, Paule-Mandel, or
            DerSimonian-Laird.

    Returns:
        With fewer than two effects everything but the mean is NaN.
    """
    if y.size < 2:
        mean, se = (float(y[0]), float(np.sqrt(v[0]))) if y.size else (np.nan, np.nan)
        return Heterogeneity(np.nan, np.nan, np.nan, np.nan, mean, se)
    q, df = _generalised_q(y, v, 0.0), y.size - 1
    tau2 = {"reml": _tau2_reml, "pm": _tau2_paule_mandel, "dl": _tau2_dersimonian_laird}[method](
        y, v
    )
    weights = 1 / (v + tau2)
    return Heterogeneity(
        q=q,
        p_value=float(special.chdtrc(df, q)),
        i2=max(0.0, (q - df) / q) if q > 0 else 0.0,
        tau2=tau2,
        mean=float(weights @ y / weights.sum()),
        mean_se=float(np.sqrt(1 / weights.sum())),
    )


def shrunk_effects(y: Floats, v: Floats, spread: Heterogeneity, alpha: float) -> Estimate:
    """Empirical-Bayes effects with intervals.

    The interval covers a category's true effect in ``1 - alpha`` of cases on average over the
    categories; it allows for the mean and, by Morris' term, the spread being estimated.

    Args:
        y: Shape (k,), effects.
        v: Shape (k,), their variances.
        spread: Their :func:`heterogeneity`.
        alpha: 1 - confidence.

    Returns:
        NaN with fewer than four effects: the spread of three cannot be learned.
    """
    if y.size < 4:
        unknown = np.full(y.shape, np.nan)
        return Estimate(unknown, unknown, unknown)
    k = y.size
    kept = spread.tau2 / (spread.tau2 + v)
    # Morris: the estimated shrinkage is too strong on average by the factor (k - 1) / (k - 3).
    pull = (k - 3) / (k - 1) * (1 - kept)
    centre = spread.mean + (1 - pull) * (y - spread.mean)
    precision = 1 / (v + spread.tau2)
    share = precision / precision.sum()
    variance = v * (1 - pull * (1 - share)) + 2 / (k - 3) * pull**2 * (y - spread.mean) ** 2 * (
        v.mean() + spread.tau2
    ) / (v + spread.tau2)
    half = special.ndtri(1 - alpha / 2) * np.sqrt(variance)
    return Estimate(centre, centre - half, centre + half)


def _generalised_q(y: Floats, v: Floats, tau2: float) -> float:
    weights = 1 / (v + tau2)
    mean = weights @ y / weights.sum()
    return float(weights @ (y - mean) ** 2)


def _tau2_dersimonian_laird(y: Floats, v: Floats) -> float:
    weights = 1 / v
    scale = weights.sum() - (weights**2).sum() / weights.sum()
    return max(0.0, float((_generalised_q(y, v, 0.0) - (y.size - 1)) / scale))


def _tau2_paule_mandel(y: Floats, v: Floats) -> float:
    def excess(tau2: float) -> float:
        return _generalised_q(y, v, tau2) - (y.size - 1)

    if excess(0.0) <= 0:
        return 0.0
    return float(optimize.brentq(excess, 0.0, _beyond(y, excess), xtol=1e-16, rtol=1e-14))


def _tau2_reml(y: Floats, v: Floats) -> float:
    def score(tau2: float) -> float:
        """Derivative of the restricted log-likelihood, times two."""
        w = 1 / (v + tau2)
        mean = w @ y / w.sum()
        return float(w**2 @ (y - mean) ** 2 - w.sum() + (w**2).sum() / w.sum())

    if score(0.0) <= 0:
        return 0.0
    return float(optimize.brentq(score, 0.0, _beyond(y, score), xtol=1e-16, rtol=1e-14))


def _beyond(y: Floats, decreasing: Callable[[float], float]) -> float:
    """A point where a decreasing function is no longer positive."""
    upper = max(float(np.var(y)), 1e-8)
    while decreasing(upper) > 0:
        upper *= 2
    return upper
