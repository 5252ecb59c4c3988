"""How far the axis of a lift figure reaches: one rule, so that report and pages draw alike."""

import math
from collections.abc import Iterable, Sequence

NICE = (1, 2, 3, 4, 5, 6, 8, 10)


def symmetric_reach(rows: Iterable[Sequence[float | None]]) -> float:
    """Half-width of an axis around 0 that every estimate and nine intervals of ten fit.

    Args:
        rows: Estimate, lower and upper limit of each row (fractions); a row without a lower limit
            has no interval, one without an upper limit is unbounded.

    Returns:
        A round number; 0.1 where there is nothing to draw.
    """
    known = [row for row in rows if row[1] is not None]
    if not known:
        return 0.1
    ends = sorted(max(abs(lower or 0.0), abs(upper or 0.0)) for _, lower, upper in known)
    estimates = [1.05 * abs(estimate) for estimate, _, _ in known if estimate is not None]
    return next_round(max([ends[math.floor(0.9 * (len(ends) - 1))], *estimates]))


def next_round(value: float) -> float:
    """The next of 1, 2, 3, 4, 5, 6, 8 times a power of ten: round, and its half nearly so."""
    magnitude = 10.0 ** math.floor(math.log10(max(value, 1e-4)))
    steps = (round(multiple * magnitude, 12) for multiple in NICE)
    return next(step for step in steps if step >= value)
