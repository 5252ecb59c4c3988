"""Group-sequential boundaries: how large |z| must be at each of a few planned looks.

Without an effect the z of a look at information fraction t is ``W(t) / sqrt(t)`` of a Brownian
motion W. The probability of leaving a symmetric boundary is found look by look: the density of
the paths still inside is convolved with the normal increment (Armitage, McPherson, Rowe 1969),
here by Gauss-Legendre quadrature. Boundaries follow from how much of a two-sided alpha may have
been spent by each look (Lan, DeMets 1983; power family: Kim, DeMets 1987), or from a shape stated
beforehand (Pocock 1977; O'Brien, Fleming 1979).

There are no boundaries for futility here, and none for one side only.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

Floats = NDArray[np.float64]
Spending = Literal["obf", "pocock", "power"]
HIGHEST = 38.0
"""Beyond this |z| the normal tail is no number any more; a boundary above it is infinite."""
NODES_PER_SD = 4
"""Quadrature nodes in a standard deviation of the shortest step; boundaries are right to 1e-10."""


class _Inside(NamedTuple):
    """Paths that have crossed nothing so far: quadrature nodes of W, and the mass at each."""

    time: float
    w: Floats
    mass: Floats


_START = _Inside(0.0, np.zeros(1), np.ones(1))


def alpha_spent(fractions: Floats, alpha: float, *, spending: Spending, phi: float = 2.0) -> Floats:
    """Two-sided alpha that may have been spent by each look.

    Args:
        fractions: Information fractions, in (0, 1].
        alpha: All there is to spend, at fraction 1.
        spending: ``obf``: O'Brien-Fleming-type, of each side's alpha; ``pocock``: Pocock-type;
            ``power``: ``alpha * t^phi``.
        phi: Exponent of the power family, above 0.
    """
    t = np.asarray(fractions, dtype=np.float64)
    if spending == "obf":
        spent = 4 * special.ndtr(special.ndtri(alpha / 4) / np.sqrt(t))
    elif spending == "pocock":
        spent = alpha * np.log1p((np.e - 1) * t)
    else:
        spent = alpha * t**phi
    return np.asarray(spent, dtype=np.float64)


def spending_boundaries(
    fractions: Sequence[float], alpha: float, *, spending: Spending, phi: float = 2.0
) -> Floats:
    """Boundaries that spend alpha as stated.

    Args:
        fractions: Information fractions of the looks, rising, in (0, 1].
        alpha: Two-sided level over all looks together.
        spending: As in :func:`alpha_spent`.
        phi: Exponent of the power family.

    Returns:
        One boundary of |z| a look; infinite where nothing measurable may be spent.
    """
    _check_fractions(fractions)
    spent = alpha_spent(np.array(fractions), alpha, spending=spending, phi=phi)
    shortest = _shortest_step(fractions)
    inside, boundaries = _START, []
    for time, allowed in zip(fractions, np.diff(spent, prepend=0.0), strict=True):
        boundary = _boundary(inside, time, float(allowed))
        boundaries.append(boundary)
        inside = _stayed(inside, time, boundary, shortest)
    return np.array(boundaries)


def crossing_probabilities(boundaries: Sequence[float], fractions: Sequence[float]) -> Floats:
    """Probability of having crossed by each look, without an effect.

    Args:
        boundaries: Of |z|, one a look.
        fractions: Information fractions of the looks, rising, in (0, 1].

    Returns:
        Cumulative probabilities; the last is the size of the procedure.
    """
    _check_fractions(fractions)
    shortest = _shortest_step(fractions)
    inside, crossed = _START, []
    for time, boundary in zip(fractions, boundaries, strict=True):
        crossed.append(_leaving(inside, time, boundary))
        inside = _stayed(inside, time, boundary, shortest)
    return np.cumsum(crossed)


def classical_boundaries(
    fractions: Sequence[float], alpha: float, *, shape: Literal["pocock", "obf"]
) -> Floats:
    """Boundaries of a shape stated beforehand, scaled to the level.

    Args:
        fractions: Information fractions of the looks, rising, the last of them 1.
        alpha: Two-sided level over all looks together.
        shape: ``pocock``: one |z| at every look; ``obf``: falling as ``1 / sqrt(t)``.
    """
    t = np.array(fractions)
    form = np.ones(t.size) if shape == "pocock" else 1 / np.sqrt(t)

    def excess(scale: float) -> float:
        return float(crossing_probabilities(list(scale * form), fractions)[-1]) - alpha

    single = -float(special.ndtri(alpha / 2))
    # Bonferroni bounds Pocock's constant, and with it every smaller one.
    highest = -float(special.ndtri(alpha / (2 * t.size))) + 1e-6
    scale: float = optimize.brentq(excess, single - 1e-6, highest, xtol=1e-12)
    return scale * form


def nominal_alpha(boundaries: Floats) -> Floats:
    """Two-sided p-value below which a boundary is crossed."""
    return np.asarray(2 * special.ndtr(-np.asarray(boundaries)))


def _check_fractions(fractions: Sequence[float]) -> None:
    assert fractions[0] > 0
    assert fractions[-1] <= 1 + 1e-12
    assert all(later > earlier for earlier, later in pairwise(fractions)), "not rising"


def _shortest_step(fractions: Sequence[float]) -> float:
    return float(np.sqrt(np.diff(np.array(fractions), prepend=0.0).min()))


def _leaving(inside: _Inside, time: float, boundary: float) -> float:
    """Probability of being inside up to now and beyond the boundary at this look."""
    sd, edge = np.sqrt(time - inside.time), boundary * np.sqrt(time)
    beyond = special.ndtr((inside.w - edge) / sd) + special.ndtr((-edge - inside.w) / sd)
    return float(inside.mass @ beyond)


def _boundary(inside: _Inside, time: float, allowed: float) -> float:
    """The boundary that is left with the allowed probability."""

    def excess(boundary: float) -> float:
        # On the log scale, because early looks may spend as little as 1e-60.
        return float(np.log(max(_leaving(inside, time, boundary), 1e-320)) - np.log(allowed))

    if allowed < 1e-300 or excess(HIGHEST) >= 0:
        return float("inf")
    return float(optimize.brentq(excess, 0.0, HIGHEST, xtol=1e-12))


def _stayed(inside: _Inside, time: float, boundary: float, shortest: float) -> _Inside:
    edge = min(boundary, HIGHEST) * np.sqrt(time)
    # Rounded up to a multiple of 32, so that few sets of nodes are made.
    count = 32 * (2 + int(NODES_PER_SD * 2 * edge / shortest / 32))
    nodes, weights = _gauss_legendre(count)
    sd, w = np.sqrt(time - inside.time), edge * nodes
    density = np.exp(-(((w[:, None] - inside.w[None, :]) / sd) ** 2) / 2) @ inside.mass
    return _Inside(time, w, edge * weights * density / (sd * np.sqrt(2 * np.pi)))


@lru_cache(maxsize=64)
def _gauss_legendre(count: int) -> tuple[Floats, Floats]:
    nodes, weights = special.roots_legendre(count)
    return np.asarray(nodes), np.asarray(weights)
