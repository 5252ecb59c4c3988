"""Calibration against published values, and against what noise alone gives."""

import numpy as np
import pytest

from evaluation.metrics.calibration import (
    BINNINGS,
    brier,
    calibration_error,
    error_of_noise,
    reliability,
)

P = np.array([0.05, 0.15, 0.35, 0.45, 0.55, 0.65, 0.85, 0.95, 0.95, 0.75])
Y = np.array([0, 0, 1, 0, 1, 0, 1, 1, 0, 1], float)


def width(n_bins):
    return reliability(P, Y, n_bins=n_bins, binning="equal_width")


def test_calibration_errors():
    assert calibration_error(width(5)) == pytest.approx(0.2)
    assert calibration_error(width(5), norm="l2") == pytest.approx(0.2664582, abs=1e-7)
    assert calibration_error(width(5), norm="max") == pytest.approx(0.65)
    assert calibration_error(width(10)) == pytest.approx(0.37)
    assert brier(P, Y) == pytest.approx(0.2265)


@pytest.mark.parametrize("binning", BINNINGS)
def test_bins_hold_everything_once(binning):
    bins = reliability(P, Y, n_bins=4, binning=binning)
    assert bins.counts.sum() == P.size
    assert bins.edges[0] == 0
    assert bins.edges[-1] == 1
    for place in range(bins.counts.size):
        inside = P[bins.places == place]
        assert np.all((inside >= bins.edges[place]) & (inside <= bins.edges[place + 1]))


def test_bins_of_equal_mass():
    p = np.random.default_rng(0).beta(8, 2, 1000)
    counts = reliability(p, p > 0.5, n_bins=10, binning="equal_mass").counts
    assert counts.min() >= 99
    assert counts.max() <= 101


def test_equal_probabilities_share_a_bin():
    bins = reliability(np.full(9, 0.5), np.ones(9), n_bins=10, binning="equal_mass")
    assert bins.counts.tolist() == [0, 9]
    assert calibration_error(bins) == 0.5


def test_the_error_of_noise_is_that_of_a_calibrated_scorer():
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(150), 6)
    found, floors = [], []
    for _ in range(60):
        p = rng.random(900)
        y = (rng.random(900) < p).astype(float)
        bins = reliability(p, y, n_bins=10, binning="equal_width")
        found.append(calibration_error(bins))
        floors.append(error_of_noise(p, y, clusters, bins, n_draws=100))
    assert np.mean(floors) == pytest.approx(np.mean(found), rel=0.08)
    biased = reliability(np.full(900, 0.7), y, n_bins=10, binning="equal_width")
    floor = error_of_noise(np.full(900, 0.7), y, clusters, biased)
    assert calibration_error(biased) > 5 * floor
