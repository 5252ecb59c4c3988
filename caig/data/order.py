"""The probability that one Beta variable exceeds another: how sure it is which ad is better.

No closed form exists for parameters that are no whole numbers, as posteriors with a fitted prior
have. The integral of one density times the other's distribution function is taken on the log-odds
scale, where a Beta density is smooth and falls off exponentially, so that the plain trapezoidal
rule converges faster than any power of the step (Trefethen and Weideman, SIAM Review 56, 2014).
The distribution function is scipy's regularised incomplete beta function.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

NODES, FALL = 20, 16.0
"""Nodes, and how far the log-density has fallen at the outer ones: an error below 1e-7."""

SMALL = 6.0
"""A parameter below this gives a tail so long that it takes many more nodes."""

SMALL_NODES, SMALL_FALL = 129, 30.0
NEWTON_STEPS = 20
"""As many as parameters of ten millions take."""
CHUNK = 1 << 14
"""Pairs at a time: a few MB of working memory, whatever is asked for."""


def chance_of_order(
    a_left: ArrayLike, b_left: ArrayLike, a_right: ArrayLike, b_right: ArrayLike
) -> Floats:
    """P(L > R) for independent L ~ Beta(a_left, b_left) and R ~ Beta(a_right, b_right).

    Args:
        a_left: First parameters of the left ones, above 0; shape (N,).
        b_left: Second parameters of the left ones, above 0.
        a_right: First parameters of the right ones.
        b_right: Second parameters of the right ones.

    Returns:
        Probabilities, shape (N,), with an absolute error below 1e-7 for parameters of 0.5 to ten
        millions. Smaller ones have tails that numbers cannot hold: an error of 1e-5 at 0.25, of
        0.01 at 0.1. Swapped sides add up to 1 but for rounding.
    """
    from scipy import special

    left = (np.asarray(a_left, dtype=float), np.asarray(b_left, dtype=float))
    right = (np.asarray(a_right, dtype=float), np.asarray(b_right, dtype=float))
    a_left, b_left, a_right, b_right = np.broadcast_arrays(*np.atleast_1d(*left, *right))
    # The density that is narrower on the log-odds scale is the one to integrate over: seen from
    # it, the other's distribution function is smooth.
    swapped = 1 / a_left + 1 / b_left > 1 / a_right + 1 / b_right
    narrow = np.where(swapped, a_right, a_left), np.where(swapped, b_right, b_left)
    wide = np.where(swapped, a_left, a_right), np.where(swapped, b_left, b_right)
    is_small = np.minimum.reduce([*narrow, *wide]) < SMALL
    exceeds = np.empty(a_left.shape)
    for chosen, nodes, fall in (
        (np.flatnonzero(~is_small), NODES, FALL),
        (np.flatnonzero(is_small), SMALL_NODES, SMALL_FALL),
    ):
        step = max(1, CHUNK * NODES // nodes)
        for first in range(0, chosen.size, step):
            some = chosen[first : first + step]
            density, nodes_at = _nodes(narrow[0][some], narrow[1][some], nodes=nodes, fall=fall)
            below = special.betainc(wide[0][some], wide[1][some], special.expit(nodes_at))
            exceeds[some] = (density * below).sum(axis=0) / density.sum(axis=0)
    return np.clip(np.where(swapped, 1 - exceeds, exceeds), 0.0, 1.0)


def _nodes(a: Floats, b: Floats, *, nodes: int, fall: float) -> tuple[Floats, Floats]:
    """Density of Beta(a, b) but for a factor, and the log-odds it is at; both (nodes, N)."""
    lower, upper = _reach(a, b, fall), _reach(b, a, fall)
    from_mode = -lower + np.linspace(0, 1, nodes)[:, None] * (lower + upper)
    density = np.exp(a * from_mode - (a + b) * np.log1p(a / (a + b) * np.expm1(from_mode)))
    return density, np.log(a / b) + from_mode


def _reach(tail: Floats, other: Floats, fall: float) -> Floats:
    """How far from the mode, in log-odds, the log-density has fallen by ``fall``.

    Args:
        tail: Parameter that rules the tail: the first for the lower one, the second for the upper.
        other: The other parameter.
        fall: Fall (nats).
    """
    both = tail + other
    # The fall is convex in the distance, and both starts lie beyond the root: Newton's steps come
    # down to it and cannot miss it. Up to a distance of 1 the fall is at least the quadratic one.
    near = np.sqrt(fall * both * 2 * np.e / (tail * other))
    distance = np.where(near <= 1, near, fall / tail + both / other)
    for _ in range(NEWTON_STEPS):
        weight = tail * np.exp(-distance)
        fallen = tail * distance + both * np.log((other + weight) / both)
        distance = distance - (fallen - fall) / (tail - both * weight / (other + weight))
    return distance
