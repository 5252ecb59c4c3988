"""Intervals that are no score intervals, against published figures and statsmodels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abtest.estimation.binomial import (
    Clicks,
    koopman_interval,
    miettinen_nurminen_interval,
    miettinen_nurminen_z,
    two_sided_p,
)
from abtest.estimation.proportion_intervals import (
    additive_delta_interval,
    interval_state,
    katz_interval,
    newcombe_interval,
    unpooled_z,
    wald_interval,
)

ASPIRIN, PLACEBO = (104, 11037), (189, 11034)  # Physicians' Health Study
METHODS = {
    "katz": katz_interval,
    "additive_delta": additive_delta_interval,
    "newcombe": newcombe_interval,
    "wald": wald_interval,
}


def arm(c: float, n: float) -> Clicks:
    return Clicks(np.array([float(c)]), np.array([float(n)]))


def limits(interval) -> tuple[float, float]:
    return float(interval.lower[0]), float(interval.upper[0])


def test_unpooled_z_and_wald_interval_of_the_physicians_health_study():
    control, treatment = arm(*PLACEBO), arm(*ASPIRIN)
    assert unpooled_z(control, treatment)[0] == pytest.approx(-5.004029771654859, abs=1e-9)
    wald = wald_interval(control, treatment, 0.05)
    assert wald.p_value[0] == pytest.approx(5.614408033314112e-07, rel=1e-9)
    expected = (-0.010724297276960126, -0.004687750675049438)
    assert limits(wald) == pytest.approx(expected, abs=1e-12)


def test_katz_interval_of_the_physicians_health_study():
    katz = katz_interval(arm(*PLACEBO), arm(*ASPIRIN), 0.05)
    assert katz.value[0] == pytest.approx(-0.4498850187896125, abs=1e-12)
    assert limits(katz) == pytest.approx((-0.5663268840910325, -0.30217834251079234), abs=1e-9)
    inverse = katz_interval(arm(*ASPIRIN), arm(*PLACEBO), 0.05)
    published = (1.82, 1.43, 2.31)
    found = 1 + np.concatenate([inverse.value, inverse.lower, inverse.upper])
    assert found == pytest.approx(published, abs=0.005)


def test_additive_delta_interval_of_the_physicians_health_study():
    delta = additive_delta_interval(arm(*PLACEBO), arm(*ASPIRIN), 0.05)
    assert limits(delta) == pytest.approx((-0.5807223040689766, -0.31904773351034824), abs=1e-9)
    deviation = (delta.upper[0] - delta.lower[0]) / 2 / 1.959963984540054
    assert deviation == pytest.approx(0.06675494361702151, abs=1e-9)


@pytest.mark.parametrize(
    ("treatment", "control", "expected"),
    [
        ((56, 70), (48, 80), (0.0524314724024, 0.333872654037)),
        ((5, 56), (0, 29), (-0.0381371479035, 0.192560013855)),
        ((0, 10), (0, 20), (-0.161125158053, 0.277532799863)),
        ((10, 10), (0, 20), (0.679086037142, 1.0)),
    ],
)
def test_newcombe_interval_of_published_tables(treatment, control, expected):
    interval = newcombe_interval(arm(*control), arm(*treatment), 0.05)
    assert limits(interval) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("treatment", "control", "expected"),
    [
        ((7, 34), (1, 34), (0.0270416266, 0.3452912170)),
        ((56, 70), (48, 80), (0.0528297132, 0.3381729400)),
        (ASPIRIN, PLACEBO, (-0.0107885432, -0.0047168402)),
        ((4, 310), (0, 300), (0.0001594033, 0.0327247290)),
    ],
)
def test_miettinen_nurminen_interval_of_published_tables(treatment, control, expected):
    interval = miettinen_nurminen_interval(arm(*control), arm(*treatment), 0.05)
    assert limits(interval) == pytest.approx(expected, abs=1e-8)


def test_katz_newcombe_and_wald_equal_statsmodels_on_random_tables():
    from statsmodels.stats.proportion import confint_proportions_2indep

    rng = np.random.default_rng(8)
    for _ in range(40):
        m, n = rng.integers(20, 400, size=2)
        x, y = rng.integers(1, m), rng.integers(1, n)
        control, treatment = arm(y, n), arm(x, m)
        for ours, shift, method, compare in (
            (katz_interval, 1, "log", "ratio"),
            (newcombe_interval, 0, "newcomb", "diff"),
            (wald_interval, 0, "wald", "diff"),
        ):
            theirs = confint_proportions_2indep(x, m, y, n, method=method, compare=compare)
            found = np.array(limits(ours(control, treatment, 0.05))) + shift
            assert tuple(found) == pytest.approx(theirs, rel=1e-9, abs=1e-12)


@given(st.integers(1, 300), st.integers(1, 300), st.data(), st.sampled_from([0.01, 0.05, 0.2]))
@settings(max_examples=150, deadline=None)
def test_each_p_value_agrees_with_its_interval(m, n, data, alpha):
    treatment, control = arm(data.draw(st.integers(0, m)), m), arm(data.draw(st.integers(0, n)), n)
    found = {name: method(control, treatment, alpha) for name, method in METHODS.items()}
    nurminen = miettinen_nurminen_interval(control, treatment, alpha)
    p_value = two_sided_p(miettinen_nurminen_z(control, treatment))
    cases = [(*limits(f), f.p_value[0]) for f in found.values()]
    for lower, upper, p in [*cases, (*limits(nurminen), p_value[0])]:
        assert np.isnan(lower) == np.isnan(upper)
        if not np.isnan(lower) and abs(p - alpha) > 1e-9:
            assert (p < alpha) == (lower > 0 or upper < 0)


@given(st.integers(1, 300), st.integers(1, 300), st.data())
@settings(max_examples=100, deadline=None)
def test_swapping_arms_inverts_ratios_and_negates_differences(m, n, data):
    a, b = arm(data.draw(st.integers(0, m)), m), arm(data.draw(st.integers(0, n)), n)
    out, home = katz_interval(a, b, 0.05), katz_interval(b, a, 0.05)
    if not np.isnan(out.lower[0]):
        assert (1 + out.lower[0]) * (1 + home.upper[0]) == pytest.approx(1, rel=1e-9)
    for method in (newcombe_interval, wald_interval, miettinen_nurminen_interval):
        there, back = method(a, b, 0.05), method(b, a, 0.05)
        assert there.lower[0] == pytest.approx(-back.upper[0], abs=1e-9, nan_ok=True)
    assert newcombe_interval(a, b, 0.05).p_value == pytest.approx(
        newcombe_interval(b, a, 0.05).p_value
    )


@pytest.mark.parametrize(
    ("control", "treatment"), [((0, 0), (3, 50)), ((0, 40), (0, 50)), ((40, 40), (50, 50))]
)
def test_nothing_is_claimed_where_no_arm_varies(control, treatment):
    for name in ("katz", "additive_delta", "wald"):
        interval = METHODS[name](arm(*control), arm(*treatment), 0.05)
        assert interval_state(interval.lower, interval.upper)[0] == "undefined"
        assert np.isnan(interval.p_value[0])


def test_newcombe_exists_without_any_click_and_says_nothing():
    interval = newcombe_interval(arm(0, 40), arm(0, 50), 0.05)
    assert interval.lower[0] < 0 < interval.upper[0]
    assert interval.p_value[0] == 1


def test_states_are_told_by_the_limits():
    lower, upper = np.array([0.1, 0.1, np.nan]), np.array([0.3, np.inf, np.nan])
    assert interval_state(lower, upper).tolist() == ["bounded", "unbounded", "undefined"]
    koopman = koopman_interval(arm(0, 300), arm(4, 310), 0.05)
    assert interval_state(koopman.lower, koopman.upper)[0] == "unbounded"
