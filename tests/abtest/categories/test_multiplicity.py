"""Corrections against Benjamini and Hochberg's own example, scipy and statsmodels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from abtest.categories.multiplicity import adjusted_p_values, family_text

# The fifteen p-values of Benjamini and Hochberg (1995), section 4.
PAPER = np.array(
    [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
        0.5719, 0.6528, 0.7590, 1.0,
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("correction", "rejections"),
    [("bonferroni", 3), ("holm", 3), ("hochberg", 3), ("bh", 4), ("by", 3), ("none", 9)],
)
def test_rejections_in_the_paper_of_benjamini_and_hochberg(correction, rejections):
    assert int((adjusted_p_values(PAPER, correction) < 0.05).sum()) == rejections


def test_adjusted_values_of_the_paper():
    bh = adjusted_p_values(PAPER, "bh")
    assert bh[3:5] == pytest.approx([0.035625, 0.0603], abs=1e-12)
    assert adjusted_p_values(PAPER, "by")[2] == pytest.approx(0.03152317543567544, abs=1e-12)


@given(st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=60))
@settings(max_examples=40, deadline=None)
def test_equals_scipy_and_statsmodels_in_any_order(values):
    from statsmodels.stats.multitest import multipletests

    p = np.array(values)
    for ours, scipys in (("bh", "bh"), ("by", "by")):
        theirs = stats.false_discovery_control(p, method=scipys)
        assert adjusted_p_values(p, ours) == pytest.approx(theirs, abs=1e-12)
    for ours, theirs in (
        ("holm", "holm"),
        ("hochberg", "simes-hochberg"),
        ("bonferroni", "bonferroni"),
    ):
        assert adjusted_p_values(p, ours) == pytest.approx(
            multipletests(p, method=theirs)[1], abs=1e-12
        )


def test_unknown_p_values_stay_unknown_and_are_no_tests():
    p = np.array([0.01, np.nan, 0.02])
    adjusted = adjusted_p_values(p, "bonferroni")
    assert adjusted[[0, 2]] == pytest.approx([0.02, 0.04])
    assert np.isnan(adjusted[1])
    assert np.isnan(adjusted_p_values(np.array([np.nan]), "bh")).all()


def test_the_family_is_put_on_record():
    assert family_text("bh", 44) == "Benjamini-Hochberg over 44 tests"
    assert family_text("none", 44) == "no correction (44 tests)"


def test_false_discovery_rate_by_simulation():
    """Of 44 tests 30 have no effect; the mean share of false among the found stays below 5 %."""
    rng = np.random.default_rng(8)
    shares = []
    for _ in range(2000):
        z = rng.standard_normal(44) + np.repeat([0.0, 3.0], [30, 14])
        found = adjusted_p_values(2 * stats.norm.sf(np.abs(z)), "bh") < 0.05
        shares.append(found[:30].sum() / max(1, found.sum()))
    mean, error = np.mean(shares), np.std(shares) / np.sqrt(len(shares))
    # Benjamini and Hochberg promise 30/44 of the level; the bound is what matters.
    assert mean - 3 * error < 0.05 * 30 / 44 < mean + 3 * error
