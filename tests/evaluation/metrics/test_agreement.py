"""Agreement against published values."""

import numpy as np
import pytest

from evaluation.metrics.agreement import cohen_kappa, krippendorff_alpha

NAN = np.nan
CANONICAL = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]


def table(first, second, k):
    counts = np.zeros((k, k))
    np.add.at(counts, (np.array(first) - 1, np.array(second) - 1), 1)
    return counts


def test_kappa():
    assert cohen_kappa([[20, 5], [10, 15]]) == pytest.approx(0.4)


def test_kappa_falls_with_prevalence():
    counts = np.array([[118, 5], [2, 0]])
    assert np.trace(counts) / counts.sum() == pytest.approx(0.944)
    assert cohen_kappa(counts) == pytest.approx(-0.0233918, abs=1e-7)


def test_weighted_kappa():
    counts = table([1, 2, 3, 4, 4, 2], [1, 3, 3, 4, 2, 2], 4)
    assert cohen_kappa(counts, weights="linear") == pytest.approx(0.5714286, abs=1e-7)
    assert cohen_kappa(counts, weights="quadratic") == pytest.approx(0.6153846, abs=1e-7)


def test_kappa_that_cannot_be_told_is_none():
    assert cohen_kappa([[5, 0], [0, 0]]) is None
    assert cohen_kappa(np.zeros((2, 2))) is None


@pytest.mark.parametrize(
    ("scale", "alpha"),
    [("nominal", 0.7434210526), ("ordinal", 0.8153875038), ("interval", 0.8491071429)],
)
def test_krippendorff(scale, alpha):
    assert krippendorff_alpha(CANONICAL, scale=scale) == pytest.approx(alpha, abs=1e-9)


def test_krippendorff_that_cannot_be_told_is_none():
    assert krippendorff_alpha([[1, NAN], [NAN, 2]]) is None
    assert krippendorff_alpha([[1, 1], [1, 1]]) is None
