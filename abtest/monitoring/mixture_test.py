"""Mixture sequential probability ratio test (mSPRT): a test that may be read at every look.

The likelihood ratio of an effect against none, averaged over effects ``Normal(0, mixture)``, is a
martingale without an effect, so it exceeds ``1 / alpha`` at any look ever with probability at most
alpha (Ville 1939; Robbins 1970; Johari, Koomen, Pekelis, Walsh 2022, "Always Valid Inference",
section 4). For an estimate d that is normal with standard error se, and ``x = mixture / se^2``,

    log LR = x / (1 + x) * (d / se)^2 / 2 - log(1 + x) / 2

The effects this test does not reject are the confidence sequence of
:func:`abtest.monitoring.sequential.anytime_half_width` with the same mixture: ``log LR`` exceeds
``log(1 / alpha)`` exactly where the sequence excludes 0. Looks are what is covered, not categories:
each category is a test of its own.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def log_likelihood_ratio(estimate: Floats, se: Floats, *, mixture: float) -> Floats:
    """Log of the mixture likelihood ratio of an effect against none.

    Args:
        estimate: Estimates at the looks, e.g. log lifts.
        se: Their standard errors, same shape.
        mixture: Mixture variance, on the scale of ``se`` squared; above 0.

    Returns:
        Shape of ``estimate``, in nats; NaN where an argument is.
    """
    x = mixture / se**2
    ratio: Floats = x / (1 + x) * (estimate / se) ** 2 / 2 - np.log1p(x) / 2
    return ratio


def always_valid_p_value(log_ratio: Floats) -> Floats:
    """P-value of no effect that stays valid at every look and at any stop.

    It belongs to the look at which it is read, so it is below alpha exactly where that look's
    interval of the confidence sequence excludes 0. The smallest of the looks so far is valid too.

    Args:
        log_ratio: :func:`log_likelihood_ratio`.
    """
    return np.exp(-np.maximum(log_ratio, 0.0))
