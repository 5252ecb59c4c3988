"""``caig plan`` from end to end, its report, and the power that plans promise."""

import math
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from abtest.counting.counts import MOMENTS, UnitCounts, daily_moments, total_moments
from abtest.counting.sums import sums_of
from abtest.estimation.clustered import UnitMoments, lift_p_value, log_lift
from abtest.planning.config import Plan
from abtest.planning.figures import power_chart
from abtest.planning.pilot import pilot_of_sums
from abtest.planning.tables import plan_table, power_curve
from caig.cli import run
from caig.contracts.experiments import ALL_CATEGORIES
from caig.runs.store import Run
from reference_models.shop.traffic import TrafficConfig, simulate_traffic

RATES = ("--set", "rates.ctr=0.02", "--set", "rates.impressions_per_day=50000")


@pytest.fixture
def plan(tmp_path, capsys):
    def call(*arguments):
        capsys.readouterr()
        code = run(["plan", *map(str, arguments), "--runs", str(tmp_path / "plans")])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def traffic(tmp_path_factory):
    root = tmp_path_factory.mktemp("traffic")
    assert (
        run(
            [
                "make-data",
                "--set",
                "n_users=4000",
                "--set",
                "ads.per_product=0",
                "--runs",
                str(root),
            ]
        )
        == 0
    )
    (made,) = root.iterdir()
    return made


def opened(out):
    return Run.open(Path(out.splitlines()[-1]))


def test_plan_from_rates(plan):
    code, out, err = plan(*RATES, "--set", "rates.n_categories=4")
    assert (code, err) == (0, "")
    made = opened(out)
    assert made.problems() == []
    table = made.table("plan")
    assert table["category"].to_list() == ["each of 4 equal ones", ALL_CATEGORIES]
    days = table["days_needed"][-1]
    assert out.startswith(f"{days} days to find a lift of +5.0 % overall with 80 % power")
    assert made.manifest.metrics["days_needed"] == days
    assert made.table("power_curve").height


def test_a_log_and_its_analysis_are_the_same_pilot(plan, traffic, tmp_path):
    assert (
        run(
            [
                "lift",
                str(traffic),
                "--set",
                "analysis.one_arm_categories=report",
                "--runs",
                str(tmp_path / "lifts"),
            ]
        )
        == 0
    )
    (lift,) = (tmp_path / "lifts").iterdir()
    of_log, of_run = (opened(plan(pilot)[1]) for pilot in (traffic, lift))
    assert of_run.manifest.inputs["pilot"].run_id == lift.name
    assert of_log.manifest.inputs["impression_log"].run_id == traffic.name
    a, b = (made.table("plan").row(-1, named=True) for made in (of_log, of_run))
    assert a["ctr"] == pytest.approx(b["ctr"])
    assert a["impressions_per_day"] == pytest.approx(b["impressions_per_day"])
    # Arms pooled there, the variance of log lift here.
    assert a["design_effect"] == pytest.approx(b["design_effect"], rel=0.05)
    assert a["rel_lift_mde"] == pytest.approx(b["rel_lift_mde"], rel=0.05)
    assert of_run.table("plan").height == of_log.table("plan").height


def test_impressions_can_be_randomised(plan):
    code, out, _ = plan(*RATES, "--set", "design.randomisation=impression", "--set",
                        "plan.target_lift=0.1")  # fmt: skip
    assert code == 0
    row = opened(out).table("plan").row(-1, named=True)
    assert row["days_needed"] == math.ceil(2 * 80681.38028240838 / 50_000)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a pilot"),
        (("--set", "rates.ctr=0.02"), "name a pilot"),
        ((*RATES, "--set", "plan.target_lift=0"), "target_lift must be"),
        (("nothing.csv",), "nothing.csv"),
        (("nothing.csv", *RATES), "a pilot and rates are both given"),
    ],
)
def test_what_cannot_be_planned_is_refused(plan, arguments, said, tmp_path):
    code, out, err = plan(*arguments)
    assert code == 2
    assert said in err
    assert out == ""
    assert not (tmp_path / "plans").exists()


def test_names_from_a_log_stay_text(plan, tmp_path):
    log = tmp_path / "log.csv"
    rows = ["arm,unit_id,category,day,n_impressions,n_clicks"]
    rows += [
        f"{arm},{arm}{u},<script>alert(1)</script>|x,2026-03-0{1 + u % 3},5,{u % 2 + u % 3 // 2}"
        for arm in ("control", "b")
        for u in range(60)
    ]
    log.write_text("\n".join(rows) + "\n")
    code, out, err = plan(log)
    assert code == 0, err
    made = opened(out)
    html = made.file("report_html").read_text()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "\\<script\\>alert\\(1\\)" in made.file("report_md").read_text()


def test_the_chart_is_well_formed_and_says_what_it_shows():
    pilot = pilot_of_sums(shop_sums(seed=1), control="control", randomisation="unit", source="log")
    chosen = Plan(target_lift=0.2)
    svg = power_chart(power_curve(pilot, chosen), pilot, chosen)
    root = ET.fromstring(svg)
    assert root.attrib["aria-label"].startswith("Power of the overall test by day")
    lines = [child for child in root if child.tag == "polyline"]
    assert [line.attrib["class"] for line in lines].count("line") == 1
    assert len(lines) == 5


# The power that a plan promises -------------------------------------------------------------------


def shop_sums(*, n_users=3_000, n_days=7, lift=0.2, seed=0):
    config = TrafficConfig(
        n_users=n_users,
        n_days=n_days,
        impressions_per_user=12 * n_days / 7,
        mean_lift=lift,
        lift_sd=0,
        seed=seed,
    )
    log = simulate_traffic(config).log.rename({"n_impressions": "n", "n_clicks": "c"})
    return sums_of(UnitCounts.from_rows(log))


def found_share(*, n_users, n_days, lift, runs):
    found = 0
    for seed in range(runs):
        config = TrafficConfig(
            n_users=n_users,
            n_days=n_days,
            impressions_per_user=12 * n_days / 7,
            mean_lift=lift,
            lift_sd=0,
            seed=1000 + seed,
        )
        log = simulate_traffic(config).log.rename({"n_impressions": "n", "n_clicks": "c"})
        rows = log.with_columns(category=pl.lit(None, dtype=pl.String))
        moments = total_moments(daily_moments(UnitCounts.from_rows(rows)))
        arms = [
            UnitMoments(*(np.array([float(row[name])]) for name in UnitMoments._fields))
            for row in moments.select("arm", *MOMENTS).sort("arm").to_dicts()
        ]
        estimate = log_lift(*arms)
        found += bool(lift_p_value(estimate)[0] < 0.05 and estimate.value[0] > 0)
    return found / runs


@pytest.mark.slow
@pytest.mark.parametrize("n_days", [7, 21])
def test_planned_power_is_reached_in_the_shop(n_days):
    pilot = pilot_of_sums(
        shop_sums(n_users=20_000, lift=0), control="control", randomisation="unit", source="log"
    )
    factor = 4_000 / 20_000
    table = plan_table(pilot, Plan(days=n_days, traffic_factor=factor))
    lift = table["rel_lift_mde"][-1]
    assert 0.05 < lift < 0.4
    runs = 400
    share = found_share(n_users=4_000, n_days=n_days, lift=lift, runs=runs)
    # 0.02 for the pilot's own noise in CTR and design effect.
    assert share == pytest.approx(0.8, abs=0.02 + 3 * math.sqrt(0.16 / runs))
