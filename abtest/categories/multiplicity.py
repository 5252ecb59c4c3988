"""Correction of p-values over a declared family of tests.

With 44 categories and no effect anywhere, some category is below 0.05 in nine experiments of ten.
Adjusted p-values here are compared with the same alpha as plain ones. Unknown p-values (NaN) are
not tests; they stay unknown and do not count in the family.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Correction = Literal["bh", "by", "holm", "hochberg", "bonferroni", "none"]

CORRECTION_NAMES: dict[Correction, str] = {
    "bh": "Benjamini-Hochberg",
    "by": "Benjamini-Yekutieli",
    "holm": "Holm",
    "hochberg": "Hochberg",
    "bonferroni": "Bonferroni",
    "none": "no correction",
}


def adjusted_p_values(p_values: Floats, correction: Correction) -> Floats:
    """Adjusted p-values of one family.

    Args:
        p_values: Shape (m,); NaN where there is no test.
        correction: ``bh`` (Benjamini and Hochberg 1995) and ``by`` (Benjamini and Yekutieli 2001)
            control the false discovery rate, the latter under any dependence; ``holm``,
            ``hochberg`` and ``bonferroni`` the family-wise error rate.

    Returns:
        Shape (m,), in the order of ``p_values``, each at least the plain one and at most 1.
    """
    adjusted = np.full(p_values.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    m = known.size
    if m == 0:
        return adjusted
    order = known[np.argsort(p_values[known], kind="stable")]
    p = p_values[order]
    rank = np.arange(1, m + 1)
    if correction == "none":
        steps = p
    elif correction == "bonferroni":
        steps = p * m
    elif correction == "holm":
        steps = np.maximum.accumulate(p * (m - rank + 1))
    elif correction == "hochberg":
        steps = _step_up(p * (m - rank + 1))
    elif correction == "bh":
        steps = _step_up(p * m / rank)
    else:
        steps = _step_up(p * m / rank * np.sum(1 / rank))
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def family_text(correction: Correction, size: int) -> str:
    """What was corrected, for the record: ``Benjamini-Hochberg over 44 tests``."""
    if correction == "none":
        return f"{CORRECTION_NAMES[correction]} ({size} tests)"
    return f"{CORRECTION_NAMES[correction]} over {size} tests"


def _step_up(values: Floats) -> Floats:
    return np.minimum.accumulate(values[::-1])[::-1]
