"""Whether stated probabilities come true: Brier score, reliability, expected calibration error.

An expected calibration error depends on its bins and is above zero for a perfect scorer too, so
bins and their counts are always part of the result, equal-mass bins stand beside equal-width ones,
and the value that noise alone would give is estimated from the same data.
Sources: Brier (1950); Naeini et al. (2015); Kumar et al. (2019).
"""

from typing import Literal, NamedTuple

import numpy as np

from evaluation.metrics.clustered import Codes, Floats

Binning = Literal["equal_width", "equal_mass"]
BINNINGS: tuple[Binning, ...] = ("equal_width", "equal_mass")


class Bins(NamedTuple):
    """Probabilities and outcomes by bin.

    Attributes:
        edges: (k + 1,) limits; a bin holds its lower limit, the last one both.
        places: (n,) bin of each item.
        counts: (k,) items.
        predicted: (k,) mean probability; NaN in an empty bin.
        observed: (k,) share that came true; NaN in an empty bin.
    """

    edges: Floats
    places: Codes
    counts: Codes
    predicted: Floats
    observed: Floats


def brier(probabilities: Floats, outcomes: Floats) -> float:
    """Mean squared distance between probability and outcome."""
    return float(np.mean(np.square(probabilities - outcomes)))


def reliability(probabilities: Floats, outcomes: Floats, *, n_bins: int, binning: Binning) -> Bins:
    """Sort items into bins of probability.

    Args:
        probabilities: (n,) 0 to 1, n at least 1.
        outcomes: (n,) 0 or 1.
        n_bins: Bins; equal-mass bins are fewer where many probabilities are the same.
        binning: Bins of equal width over 0 to 1, or of nearly equal counts.
    """
    edges = np.linspace(0.0, 1.0, n_bins + 1)
    if binning == "equal_mass":
        inner = np.quantile(probabilities, edges[1:-1])
        edges = np.unique(np.concatenate(([0.0], inner, [1.0])))
    index = np.clip(np.searchsorted(edges, probabilities, side="right") - 1, 0, edges.size - 2)
    counts = np.bincount(index, minlength=edges.size - 1)
    with np.errstate(invalid="ignore"):
        predicted = np.bincount(index, probabilities, edges.size - 1) / counts
        observed = np.bincount(index, outcomes, edges.size - 1) / counts
    return Bins(edges, index, counts, predicted, observed)


def calibration_error(bins: Bins, *, norm: Literal["l1", "l2", "max"] = "l1") -> float:
    """Distance between predicted and observed, over bins.

    Args:
        bins: Items by bin.
        norm: Mean weighted by counts (the usual ECE), root of the mean square, or the largest.
    """
    filled = bins.counts > 0
    apart = np.abs(bins.predicted - bins.observed)[filled]
    weights = bins.counts[filled] / bins.counts.sum()
    if norm == "l1":
        return float(np.sum(weights * apart))
    if norm == "l2":
        return float(np.sqrt(np.sum(weights * apart**2)))
    return float(apart.max())


def error_of_noise(
    probabilities: Floats,
    outcomes: Floats,
    clusters: Codes,
    bins: Bins,
    *,
    n_draws: int = 200,
    seed: int = 0,
) -> float:
    """Calibration error (l1) that a calibrated scorer would show in these bins, on average.

    Residuals, centred in their bin, get one random sign a cluster, which keeps the dependence
    between items of a cluster.

    Args:
        probabilities: (n,) 0 to 1.
        outcomes: (n,) 0 or 1.
        clusters: (n,) cluster of each item.
        bins: Their bins.
        n_draws: Draws.
        seed: Seed of the draws.
    """
    residuals = outcomes - probabilities
    means = bins.observed - bins.predicted
    centred = residuals - means[bins.places]
    n_bins, n_clusters = bins.counts.size, int(clusters.max()) + 1
    # Sums by bin and cluster: a draw then costs no pass over items.
    sums = np.zeros((n_bins, n_clusters))
    np.add.at(sums, (bins.places, clusters), centred)
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(n_draws, n_clusters))
    return float(np.mean(np.abs(signs @ sums.T).sum(axis=1)) / probabilities.size)
