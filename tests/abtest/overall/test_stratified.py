"""Post-stratification and the mix shift against units, a bootstrap, Simpson's paradox."""

import numpy as np
import pytest

from abtest.estimation.clustered import UnitMoments, lift_interval, lift_p_value, log_lift
from abtest.estimation.joint import JointMoments
from abtest.overall.mix_shift import decompose, mix_p_value, mix_p_value_binomial, reading
from abtest.overall.stratified import post_stratified, post_stratified_binomial


def by_unit(
    rng: np.random.Generator, units: int, lift: float = 0.0, mix: tuple[float, ...] = (1, 1, 1)
) -> np.ndarray:
    """Impressions and clicks, shape (2, units, 3); categories differ in CTR, units in luck."""
    n = rng.poisson(rng.gamma(1.0, 3.0, (units, 1)) * np.array(mix))
    p = np.array([0.03, 0.1, 0.3]) * (1 + lift) * rng.gamma(2.0, 0.5, (units, 1))
    return np.stack([n, rng.binomial(n, np.clip(p, 0, 1))]).astype(float)


def moments(units: np.ndarray) -> JointMoments:
    n, c = units
    return JointMoments((n > 0).sum(0) * 1.0, n.sum(0), c.sum(0), n.T @ n, n.T @ c, c.T @ c)


def log_lift_at(control: np.ndarray, treatment: np.ndarray, weights: np.ndarray) -> float:
    rates = [weights @ (arm[1].sum(0) / arm[0].sum(0)) for arm in (control, treatment)]
    return float(np.log(rates[1] / rates[0]))


def test_value_and_error_are_those_of_a_bootstrap_of_units_at_fixed_weights():
    rng = np.random.default_rng(1)
    control, treatment = by_unit(rng, 400), by_unit(rng, 300, lift=0.2)
    lift = post_stratified(moments(control), moments(treatment), units=(400, 300))
    shown = control[0].sum(0) + treatment[0].sum(0)
    weights = shown / shown.sum()
    assert lift.value == pytest.approx(log_lift_at(control, treatment, weights))
    drawn = [
        log_lift_at(
            control[:, rng.integers(400, size=400)],
            treatment[:, rng.integers(300, size=300)],
            weights,
        )
        for _ in range(2000)
    ]
    # Standard error of a standard deviation of 2,000 draws: 1.6 %.
    assert lift.se == pytest.approx(np.std(drawn), rel=0.06)


def test_one_category_is_the_pooled_lift():
    rng = np.random.default_rng(2)
    arms = [by_unit(rng, 200)[:, :, 1:2] for _ in range(2)]
    arms = [arm[:, arm[0, :, 0] > 0] for arm in arms]
    joint = [moments(arm) for arm in arms]
    units = tuple(float(arm.shape[1]) for arm in arms)
    one = post_stratified(*joint, units=units)
    flat = [
        UnitMoments(np.array([u]), m.n, m.c, m.nn[0], m.cc[0], m.nc[0])
        for u, m in zip(units, joint, strict=True)
    ]
    pooled = log_lift(*flat)
    np.testing.assert_allclose((one.value, one.se), (pooled.value[0], pooled.se[0]))


def test_it_gains_where_traffic_in_categories_varies():
    rng = np.random.default_rng(3)
    # Every unit has one category of its own, so that chance decides much of an arm's mix.
    control, treatment = (by_unit(rng, 2000) * np.eye(3)[rng.integers(3, size=2000)] for _ in "ab")
    stratified = post_stratified(moments(control), moments(treatment), units=(2000, 2000))
    variance = 0.0
    for arm in (control, treatment):
        n, c = arm.sum(2)
        rate = c.sum() / n.sum()
        variance += np.sum((c - rate * n) ** 2) / c.sum() ** 2
    assert stratified.se**2 < 0.9 * variance


def test_arms_swapped_invert_the_lift():
    rng = np.random.default_rng(4)
    a, b = moments(by_unit(rng, 120)), moments(by_unit(rng, 90))
    there, back = post_stratified(a, b, units=(120, 90)), post_stratified(b, a, units=(90, 120))
    np.testing.assert_allclose((there.value, there.se, there.dof), (-back.value, back.se, back.dof))
    counts = (a.c, a.n), (b.c, b.n)
    there, back = post_stratified_binomial(*counts), post_stratified_binomial(*counts[::-1])
    np.testing.assert_allclose((there.value, there.se), (-back.value, back.se))


def test_errors_and_coverage_on_clustered_traffic():
    rng = np.random.default_rng(5)
    rejected, covered = [], []
    for _ in range(400):
        arms = by_unit(rng, 300), by_unit(rng, 300)
        lift = post_stratified(*(moments(arm) for arm in arms), units=(300, 300))
        rejected.append(lift_p_value(lift) < 0.05)
        # The mix differs between arms, the lift does not: only the standardised one is covered.
        arms = by_unit(rng, 300, mix=(1.3, 1, 0.7)), by_unit(rng, 300, lift=0.1)
        interval = lift_interval(
            post_stratified(*(moments(arm) for arm in arms), units=(300, 300)), 0.05
        )
        covered.append(interval.lower < 0.1 < interval.upper)
    # Standard error 1.1 points.
    assert np.mean(rejected) == pytest.approx(0.05, abs=0.033)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.033)


def test_errors_on_binomial_traffic():
    rng = np.random.default_rng(6)
    n = np.broadcast_to([2000.0, 500, 4000], (3000, 3))
    rate = np.array([0.02, 0.1, 0.05])
    clicks = [rng.binomial(n.astype(int), rate).astype(float) for _ in range(2)]
    p = lift_p_value(post_stratified_binomial((clicks[0], n), (clicks[1], n)))
    # Standard error 0.4 points.
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.012)


def test_edges_have_no_interval_and_never_one_without_width():
    rng = np.random.default_rng(7)
    arm = moments(by_unit(rng, 60))
    silent = arm._replace(c=arm.c * 0, nc=arm.nc * 0, cc=arm.cc * 0)
    assert np.isnan(post_stratified(silent, arm, units=(60, 60)).value)
    alone = arm._replace(units=np.ones(3))
    assert np.isnan(post_stratified(alone, arm, units=(1, 60)).value)
    always = moments(np.full((2, 20, 3), 2.0))
    assert np.isnan(post_stratified(always, always, units=(20, 20)).se)
    # Rates that binary numbers cannot hold leave rounding in place of a variance.
    shown = np.random.default_rng(8).integers(1, 50, (21, 3)) * 7.0
    alike = moments(np.stack([shown, shown / 7]))
    assert np.isnan(post_stratified(alike, alike, units=(21, 21)).se)
    empty = (np.zeros(2), np.zeros(2))
    assert np.isnan(post_stratified_binomial(empty, empty).value)
    all_clicks = (np.array([9.0, 5]), np.array([9.0, 5]))
    assert np.isnan(post_stratified_binomial(all_clicks, all_clicks).se)


def test_a_category_of_one_arm_is_left_out():
    counts = (np.array([20.0, 5, 7]), np.array([300.0, 100, 50]))
    other = (np.array([30.0, 9, 0]), np.array([310.0, 90, 0]))
    with_it = post_stratified_binomial(counts, other)
    without = post_stratified_binomial(tuple(v[:2] for v in counts), tuple(v[:2] for v in other))
    np.testing.assert_allclose((with_it.value, with_it.se), (without.value, without.se))


BERKELEY = (
    (np.array([89.0, 17, 202, 131, 94, 24]), np.array([108.0, 25, 593, 375, 393, 341])),
    (np.array([512.0, 353, 120, 138, 53, 22]), np.array([825.0, 560, 325, 417, 191, 373])),
)


def pooled_lift(control, treatment) -> float:
    return treatment[0].sum() / treatment[1].sum() * control[1].sum() / control[0].sum() - 1


def test_berkeley_is_read_as_reversed():
    shift = decompose(*BERKELEY)
    assert shift.within_part.sum() + shift.mix_part.sum() == pytest.approx(pooled_lift(*BERKELEY))
    assert shift.within_part.sum() < 0 < shift.mix_part.sum()
    p = mix_p_value_binomial(*BERKELEY)
    assert p < 1e-12
    assert reading(shift, p, alpha=0.05, material_share=0.25) == "reversed"


@pytest.mark.parametrize("seed", range(5))
def test_parts_add_up_and_change_sign_with_the_arms(seed):
    rng = np.random.default_rng(seed)
    n = rng.integers(0, 200, (2, 6)).astype(float)
    n[:, 0] = 50
    c = rng.binomial(n.astype(int), 0.2).astype(float)
    arms = (c[0], n[0]), (c[1], n[1])
    there, back = decompose(*arms), decompose(*arms[::-1])
    assert there.within_part.sum() + there.mix_part.sum() == pytest.approx(pooled_lift(*arms))
    # Each relative to its own control.
    scale = (c[0].sum() / n[0].sum()) / (c[1].sum() / n[1].sum())
    np.testing.assert_allclose(back.within_part, -there.within_part * scale)
    np.testing.assert_allclose(back.mix_part, -there.mix_part * scale)


def test_a_category_that_one_arm_lacks_is_mix_alone():
    shift = decompose(
        (np.array([10.0, 5]), np.array([100.0, 10])), (np.array([12.0, 0]), np.array([100.0, 0]))
    )
    assert shift.within_part[1] == 0
    assert shift.mix_part[1] < 0


def test_no_shift_without_a_shift_and_small_or_material_by_size():
    rng = np.random.default_rng(8)
    p_values = []
    for _ in range(300):
        arms = moments(by_unit(rng, 300)), moments(by_unit(rng, 300))
        p_values.append(mix_p_value(*arms, (300, 300)))
    # Standard error 1.3 points.
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.038)
    moved = moments(by_unit(rng, 300)), moments(by_unit(rng, 300, mix=(1, 1, 2)))
    assert mix_p_value(*moved, (300, 300)) < 0.001
    parts = decompose(*((arm.c, arm.n) for arm in moved))
    assert reading(parts, 0.001, alpha=0.05, material_share=0.01) in {"material", "reversed"}
    small = parts._replace(mix_part=parts.within_part * 0.1)
    assert reading(small, 0.001, alpha=0.05, material_share=0.25) == "small"
    assert reading(small, 0.2, alpha=0.05, material_share=0.25) == "no_shift"
    assert reading(small, float("nan"), alpha=0.05, material_share=0.25) == "unknown"


def test_without_clicks_there_is_nothing_to_decompose():
    nothing = (np.zeros(2), np.array([10.0, 20]))
    shift = decompose(nothing, nothing)
    assert np.isnan(shift.within_part).all()
    p = mix_p_value_binomial(nothing, nothing)
    assert reading(shift, p, alpha=0.05, material_share=0.25) == "unknown"


def test_one_category_has_no_mix():
    one = (np.array([5.0]), np.array([50.0]))
    two = (np.array([9.0]), np.array([60.0]))
    assert mix_p_value_binomial(one, two) == 1
    assert decompose(one, two).mix_part[0] == 0
