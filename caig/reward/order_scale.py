"""How sure an order is: the scale between differences of scores and log-odds of the order."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEPS = 60
"""Of Newton's method, at most 2 each: a finite scale is found long before the last."""

MOST = 100.0
"""Largest scale, for differences of unit root mean square: orders that are all right have none."""


def fitted_order_scale(
    difference: Floats, left_is_better: Floats, *, at_least: float = 0.0
) -> float:
    """Scale that makes sigma(scale * difference) a probability of the order: maximum likelihood.

    Platt's scaling (1999) without a constant, which would favour a side. Scores that learned shares
    of clicks differ by log-CTR ratios; how sure an order is, is another scale.

    Args:
        difference: (P,) score of the left minus that of the right.
        left_is_better: (P,) 1, 0, or 1/2 for a tie.
        at_least: Smallest scale, for differences of unit root mean square. 0 lets scores that tell
            nothing have no say.

    Returns:
        The scale; 0 where all differences are.
    """
    spread = float(np.sqrt(np.mean(difference**2)))
    if not spread:
        return 0.0
    x, scale = difference / spread, 1.0
    for _ in range(STEPS):  # the likelihood is concave in the scale
        p = 0.5 * (1 + np.tanh(scale * x / 2))
        step = np.sum((left_is_better - p) * x) / max(np.sum(p * (1 - p) * x**2), 1e-9)
        scale = float(np.clip(scale + np.clip(step, -2, 2), at_least, MOST))
    return scale / spread
