"""Simulated traffic: reproducible, true to its truth, and each fault does what it says."""

import polars as pl
import pytest
from pydantic import ValidationError

from caig.contracts.experiments import ALL_CATEGORIES, IMPRESSION_LOG, TRAFFIC_TRUTH
from caig.contracts.table import check
from reference_models.shop.catalogue import CATEGORIES, drawing_ids
from reference_models.shop.traffic import Faults, TrafficConfig, simulate_traffic

SMALL = {"n_users": 6000}


def log_with(**faults) -> pl.DataFrame:
    return simulate_traffic(TrafficConfig(**SMALL, faults=Faults(**faults))).log


def by_arm(log: pl.DataFrame, column: str) -> dict[str, int]:
    return dict(log.group_by("arm").agg(pl.col(column).sum()).iter_rows())


def test_same_seed_same_log_other_seed_another():
    one, again = (simulate_traffic(TrafficConfig(**SMALL)) for _ in range(2))
    other = simulate_traffic(TrafficConfig(**SMALL, seed=1))
    assert one.log.equals(again.log)
    assert one.truth.equals(again.truth)
    assert not one.log.equals(other.log)


def test_log_and_truth_keep_their_contracts():
    traffic = simulate_traffic(TrafficConfig(**SMALL))
    check(traffic.log, IMPRESSION_LOG)
    check(traffic.truth, TRAFFIC_TRUTH)
    assert len(CATEGORIES) == 44
    assert traffic.truth.height == 45
    assert traffic.log["product_id"].is_in([p for c in CATEGORIES for p in drawing_ids(c)]).all()


def test_observed_rates_approach_the_truth():
    traffic = simulate_traffic(TrafficConfig(n_users=120_000))
    truth = traffic.truth.filter(pl.col("category") == ALL_CATEGORIES).row(0, named=True)
    clicks, shown = by_arm(traffic.log, "n_clicks"), by_arm(traffic.log, "n_impressions")
    for arm in ("control", "treatment"):
        assert clicks[arm] / shown[arm] == pytest.approx(truth[f"{arm}_ctr"], rel=0.03)
    assert truth["rel_lift"] == pytest.approx(truth["treatment_ctr"] / truth["control_ctr"] - 1)


def test_a_unit_keeps_its_arm_and_impressions_of_a_unit_are_alike():
    log = log_with()
    assert log.group_by("unit_id").agg(pl.col("arm").n_unique())["arm"].max() == 1
    units = log.group_by("unit_id").agg(pl.col("n_impressions").sum(), pl.col("n_clicks").sum())
    n, c = units["n_impressions"], units["n_clicks"]
    rate = c.sum() / n.sum()
    clustered = ((c - rate * n) ** 2).sum() / n.sum() ** 2
    assert clustered / (rate * (1 - rate) / n.sum()) > 1.15


def test_traffic_has_a_long_tail():
    share = simulate_traffic(TrafficConfig(**SMALL)).truth.filter(
        pl.col("category") != ALL_CATEGORIES
    )["traffic_share"]
    assert share.sum() == pytest.approx(1)
    assert share.max() / share.min() == pytest.approx(44)


def test_lost_users():
    healthy, lossy = log_with(), log_with(srm_lost_share=0.3)
    before, after = (
        dict(log.group_by("arm").agg(pl.col("unit_id").n_unique()).iter_rows())
        for log in (healthy, lossy)
    )
    assert after["control"] == before["control"]
    assert after["treatment"] == pytest.approx(0.7 * before["treatment"], rel=0.05)


def test_crossover():
    arms = log_with(crossover_share=0.5).group_by("unit_id").agg(pl.col("arm").n_unique())["arm"]
    assert 0.2 < (arms == 2).mean() < 0.5


def test_bots_click_everything_in_treatment_on_one_day():
    healthy, infested = log_with(), log_with(bot_units=5)
    extra = (
        by_arm(infested, "n_impressions")["treatment"]
        - by_arm(healthy, "n_impressions")["treatment"]
    )
    clicks = by_arm(infested, "n_clicks")["treatment"] - by_arm(healthy, "n_clicks")["treatment"]
    assert extra == clicks == 5 * 200


def test_missing_days_are_missing_in_treatment_only():
    days = dict(
        log_with(missing_days=(1, 4)).group_by("arm").agg(pl.col("day").n_unique()).iter_rows()
    )
    assert days == {"control": 7, "treatment": 5}


def test_novelty_decays():
    config = TrafficConfig(
        n_users=60_000, mean_lift=1.0, lift_sd=0.0, faults=Faults(novelty_half_life_days=1.0)
    )
    daily = (
        simulate_traffic(config)
        .log.group_by("day", "arm")
        .agg(ctr=pl.col("n_clicks").sum() / pl.col("n_impressions").sum())
        .pivot("arm", index="day", values="ctr")
        .sort("day")
    )
    lift = daily["treatment"] / daily["control"] - 1
    assert lift[0] == pytest.approx(1.0, abs=0.2)
    assert lift[-1] == pytest.approx(0.016, abs=0.12)


def test_zero_click_category():
    log = log_with(zero_click_categories=("Honey",)).filter(pl.col("category") == "Honey")
    assert by_arm(log, "n_clicks")["treatment"] == 0
    assert by_arm(log, "n_clicks")["control"] > 0


def test_unknown_category_of_a_fault_is_refused():
    with pytest.raises(ValidationError, match="'Hony' is no category"):
        Faults(zero_click_categories=("Hony",))
