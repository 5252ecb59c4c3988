"""How often an interval of two proportions holds the truth, by enumeration and not by simulation.

For stated CTRs the probability of every table of clicks is known; the tables that matter are few
enough to make the interval of each. What is left out of the sum has a probability below 1e-12.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from abtest.estimation.binomial import Clicks

Floats = NDArray[np.float64]
REACH = 8.0
"""Standard deviations, and as many clicks more, on either side of the mean."""


class Truth(NamedTuple):
    """Impressions and true CTRs of the arms."""

    n_control: int
    n_treatment: int
    control_ctr: float
    treatment_ctr: float

    @property
    def rel_lift(self) -> float:
        """Relative lift (fraction)."""
        return self.treatment_ctr / self.control_ctr - 1

    @property
    def abs_lift(self) -> float:
        """Difference of CTRs (fraction)."""
        return self.treatment_ctr - self.control_ctr

    @property
    def odds_ratio(self) -> float:
        """Odds of treatment over odds of control."""
        c, t = self.control_ctr, self.treatment_ctr
        return t * (1 - c) / (c * (1 - t))


class Coverage(NamedTuple):
    """Probabilities, over all tables.

    Attributes:
        holds: The interval exists and holds the truth.
        undefined: There is no interval.
        unbounded: There is one without an upper end.
    """

    holds: float
    undefined: float
    unbounded: float


def exact_coverage(
    limits: Callable[[Clicks, Clicks], tuple[Floats, Floats]], truth: Truth, effect: float
) -> Coverage:
    """Coverage of a method.

    Args:
        limits: From control and treatment, lower and upper limits; NaN where there is no interval,
            an infinite upper limit where it has no end.
        truth: What the tables are drawn from.
        effect: The true value of what ``limits`` is an interval of.
    """
    control, control_mass = _likely_counts(truth.n_control, truth.control_ctr)
    treatment, treatment_mass = _likely_counts(truth.n_treatment, truth.treatment_ctr)
    c, t = (grid.ravel() for grid in np.meshgrid(control, treatment, indexing="ij"))
    mass = np.outer(control_mass, treatment_mass).ravel()
    lower, upper = limits(
        Clicks(c, np.full(c.size, float(truth.n_control))),
        Clicks(t, np.full(t.size, float(truth.n_treatment))),
    )
    return Coverage(
        float(mass[(lower <= effect + 1e-12) & (effect - 1e-12 <= upper)].sum()),
        float(mass[np.isnan(lower) | np.isnan(upper)].sum()),
        float(mass[np.isinf(upper)].sum()),
    )


def _likely_counts(n: int, rate: float) -> tuple[Floats, Floats]:
    """Clicks that may occur and their probabilities."""
    mean, reach = n * rate, REACH * (np.sqrt(n * rate * (1 - rate)) + 1)
    k = np.arange(max(0.0, np.floor(mean - reach)), min(float(n), np.ceil(mean + reach)) + 1)
    ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    return k, np.exp(ways + special.xlogy(k, rate) + special.xlog1py(n - k, -rate))
