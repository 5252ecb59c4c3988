"""Two CTRs with Beta posteriors: chance to win and expected loss, exactly.

For impressions that were randomised one by one. Each arm's CTR has the uniform prior Beta(1, 1), so
with c clicks in n impressions its posterior is Beta(1 + c, 1 + n - c). What is asked of the ratio
``B / A`` of treatment over control is an integral over A of closed forms of B,

    P(B <= r A) = int f_A(x) I_{r x}(B) dx,
    E[(1 - B / A)+] = int f_A(x) (I_x(B) - mean_B * I_x(B + 1) / x) dx,

with I the regularised incomplete beta function (for integers the sum of Evan Miller 2015, "Formulas
for Bayesian A/B testing", is the same number). The integrals are by Gauss-Legendre quadrature in
panels that follow both densities, because one may be a step at the other's scale.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from abtest.estimation.binomial import Clicks
from abtest.estimation.clustered import Estimate

Floats = NDArray[np.float64]
NODES, WEIGHTS = np.polynomial.legendre.leggauss(128)
TAIL = 1e-15
BISECTIONS = 52
LOG_REACH = 60.0


class CtrPosterior(NamedTuple):
    """Beta posteriors of the CTRs of k cells: shapes ``a`` and ``b``, each (k,)."""

    a: Floats
    b: Floats


def posterior_ctr(clicks: Clicks) -> CtrPosterior:
    """Posterior after a uniform prior."""
    return CtrPosterior(1 + clicks.c, 1 + clicks.n - clicks.c)


def ratio_at_most(control: CtrPosterior, treatment: CtrPosterior, ratio: Floats) -> Floats:
    """Probability that treatment's CTR is at most ``ratio`` times control's; shapes (k,)."""

    def below(x: Floats) -> Floats:
        bound = np.minimum(ratio[:, None] * x, 1.0)
        return np.asarray(special.betainc(treatment.a[:, None], treatment.b[:, None], bound))

    return _mean_over(control, treatment, ratio, below)


def probability_better(control: CtrPosterior, treatment: CtrPosterior) -> Floats:
    """Probability that treatment's CTR is above control's."""
    return 1 - ratio_at_most(control, treatment, np.ones_like(control.a))


def absolute_loss(control: CtrPosterior, treatment: CtrPosterior) -> Floats:
    """Mean of ``max(control's CTR - treatment's, 0)``: what choosing treatment forgoes."""
    a, b, mean = _columns(treatment)

    def lost(x: Floats) -> Floats:
        return x * special.betainc(a, b, x) - mean * special.betainc(a + 1, b, x)

    return np.maximum(_mean_over(control, treatment, np.ones_like(control.a), lost), 0.0)


def relative_losses(control: CtrPosterior, treatment: CtrPosterior) -> tuple[Floats, Floats]:
    """Means of ``max(-lift, 0)`` and ``max(lift, 0)``: the losses of shipping and of holding.

    The second is NaN where control has no click: its mean does not exist.
    """
    a, b, mean = _columns(treatment)

    def lost(x: Floats) -> Floats:
        return special.betainc(a, b, x) - mean * special.betainc(a + 1, b, x) / x

    ship = np.maximum(_mean_over(control, treatment, np.ones_like(control.a), lost), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(control.a > 1, (control.a + control.b - 1) / (control.a - 1), np.nan)
    # E[B / A] - 1 is the mean lift, gains less losses.
    return ship, np.maximum(mean[:, 0] * inverse - 1 + ship, 0.0)


def lift_quantiles(control: CtrPosterior, treatment: CtrPosterior, alpha: float) -> Estimate:
    """Median of the relative lift and its central credible interval at 1 - alpha."""
    found = []
    for probability in (0.5, alpha / 2, 1 - alpha / 2):
        centre = np.log(_columns(treatment)[2][:, 0] / _columns(control)[2][:, 0])
        lower, upper = centre - LOG_REACH, centre + LOG_REACH
        for _ in range(BISECTIONS):
            middle = (lower + upper) / 2
            is_below = ratio_at_most(control, treatment, np.exp(middle)) < probability
            lower = np.where(is_below, middle, lower)
            upper = np.where(is_below, upper, middle)
        found.append(np.expm1(upper))
    return Estimate(*found)


def _columns(arm: CtrPosterior) -> tuple[Floats, Floats, Floats]:
    a, b = arm.a[:, None], arm.b[:, None]
    return a, b, a / (a + b)


def _mean_over(
    control: CtrPosterior,
    treatment: CtrPosterior,
    ratio: Floats,
    function: Callable[[Floats], Floats],
) -> Floats:
    """Mean over control's CTR of a function that changes where ``ratio * x`` meets treatment's."""
    ends = [special.betaincinv(control.a, control.b, p) for p in (TAIL, 1 - TAIL)]
    steps = [special.betaincinv(treatment.a, treatment.b, p) / ratio for p in (TAIL, 1 - TAIL)]
    edges = np.stack([ends[0], *(np.clip(step, *ends) for step in steps), ends[1]])
    half = (edges[1:] - edges[:-1])[..., None] / 2
    x = (edges[1:] + edges[:-1])[..., None] / 2 + half * NODES
    a, b = control.a[:, None], control.b[:, None]
    total = np.zeros_like(control.a)
    for points, width in zip(x, half, strict=True):
        log_density = (
            special.xlogy(a - 1, points) + special.xlog1py(b - 1, -points) - special.betaln(a, b)
        )
        total = total + (width * WEIGHTS * np.exp(log_density) * function(points)).sum(axis=1)
    return total
