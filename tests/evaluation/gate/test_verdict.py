"""Verdicts: which statuses lead to which verdict, waivers, correction, and what never ships."""

from itertools import combinations_with_replacement

import polars as pl
import pytest
from gate_world import (
    CANDIDATE,
    INCUMBENT,
    TODAY,
    drop_check,
    item_rows,
    judged,
    policy_of,
    result_rows,
    suite_run,
    verdict_items,
)

from caig.contracts.records import GateCheck
from evaluation.gate.evidence import read_evidence
from evaluation.gate.verdict import verdict_of
from evaluation.metrics.paired import holm

STATUSES = ("pass", "fail", "inconclusive", "error", "waived", "not_applicable")
RATE = {"id": "match", "metric": "match_rate", "at_least": 0.9}


def status_check(status, *, blocking=True):
    return GateCheck(id=status, status=status, required=">= 1", blocking=blocking)


def rate(estimate, half, **changes):
    limits = {"ci_lower": estimate - half, "ci_upper": estimate + half}
    row = {"subject": CANDIDATE, "metric": "match_rate", "estimate": estimate, "n": 1000}
    return row | limits | changes


@pytest.fixture
def evidence_of(tmp_path):
    def made(*rows, items=None):
        results = result_rows(*rows) if rows else None
        return read_evidence([suite_run(tmp_path, results=results, items=items)])

    return made


@pytest.mark.parametrize("statuses", list(combinations_with_replacement(STATUSES, 2)))
def test_nothing_but_passes_and_waivers_ships(statuses):
    verdict, code = verdict_of([status_check(status) for status in statuses])
    found = set(statuses)
    if "fail" in found:
        expected = ("reject", 3)
    elif found <= {"pass", "waived"} and "pass" in found:
        expected = ("ship", 0)
    elif found <= {"pass", "waived", "inconclusive"} and "inconclusive" in found:
        expected = ("review", 4)
    else:
        expected = ("review", 5)
    assert (verdict, code) == expected


@pytest.mark.parametrize("status", STATUSES)
def test_a_check_that_warns_holds_nothing_up(status):
    checks = [status_check("pass"), status_check(status, blocking=False)]
    assert verdict_of(checks) == ("ship", 0)


def test_nothing_that_blocks_passed_so_nothing_ships():
    assert verdict_of([status_check("pass", blocking=False)]) == ("review", 5)
    assert verdict_of([status_check("waived"), status_check("pass", blocking=False)])[1] == 5


@pytest.mark.parametrize(
    ("estimate", "half", "status", "code"),
    [
        (0.93, 0.02, "pass", 0),
        (0.93, 0.05, "inconclusive", 4),
        (0.89, 0.05, "inconclusive", 4),
        (0.85, 0.03, "fail", 3),
    ],
)
def test_bounds_decide_and_not_estimates(evidence_of, estimate, half, status, code):
    report = judged(policy_of(RATE), evidence_of(rate(estimate, half)), incumbent=None)
    check = report.checks[0]
    assert (check.status, report.exit_code) == (status, code)
    assert (check.more_items is not None) == (status == "inconclusive")
    assert (check.observed, check.threshold, check.keeps) == (estimate, 0.9, "above")


def test_an_upper_bound(evidence_of):
    check = {"id": "gap", "metric": "match_rate", "at_most": 0.1}
    for estimate, status in ((0.02, "pass"), (0.09, "inconclusive"), (0.4, "fail")):
        report = judged(policy_of(check), evidence_of(rate(estimate, 0.03)), incumbent=None)
        assert report.checks[0].status == status


def test_a_point_is_a_point(evidence_of):
    point = RATE | {"id": "point", "bound": "point", "severity": "warn"}
    for estimate, status in ((0.91, "pass"), (0.89, "fail")):
        report = judged(policy_of(RATE, point), evidence_of(rate(estimate, 0.2)), incumbent=None)
        assert [check.status for check in report.checks] == ["inconclusive", status]
        assert report.checks[1].ci_lower is None


def test_holm_over_the_blocking_checks(evidence_of):
    halves = (0.011, 0.016, 0.018, 0.0243)
    rows = [rate(0.92, half, metric=f"m{i}") for i, half in enumerate(halves)]
    checks = [RATE | {"id": f"c{i}", "metric": f"m{i}"} for i in range(4)]
    warns = RATE | {"id": "warns", "metric": "m3", "severity": "warn"}
    missing = RATE | {"id": "missing", "metric": "m9"}
    policy = policy_of(*checks, warns, missing)
    report = judged(policy, evidence_of(*rows), incumbent=None)
    p = [check.p_pass for check in report.checks]
    # The one that could not be made counts as 1; the one that warns is in no family.
    adjusted = holm([*p[:4], 1.0])
    assert [check.p_pass_adj for check in report.checks[:4]] == pytest.approx(adjusted[:4])
    assert report.checks[4].p_pass_adj == p[4] == p[3]
    assert report.checks[4].status == "inconclusive"
    assert report.checks[5].p_pass_adj is None
    assert [check.status for check in report.checks[:4]] == [
        "pass" if value <= 0.05 else "inconclusive" for value in adjusted[:4]
    ]
    assert {check.status for check in report.checks[:4]} == {"pass", "inconclusive"}
    alone = policy_of(*checks, statistics={"correction": "none"})
    report = judged(alone, evidence_of(*rows), incumbent=None)
    assert [check.p_pass_adj for check in report.checks] == p[:4]


def test_by_itself_but_not_after_correction(evidence_of):
    rows = [rate(0.92, 0.0225, metric=f"m{i}") for i in range(3)]
    checks = [RATE | {"id": f"c{i}", "metric": f"m{i}"} for i in range(3)]
    report = judged(policy_of(*checks), evidence_of(*rows), incumbent=None)
    assert {check.status for check in report.checks} == {"inconclusive"}
    assert "by itself shown to be >= 0.9, but not after correction" in report.checks[0].reason


def waiver(**changes):
    values = {"check": "match", "owner": "ada", "reason": "known", "expires": "2026-11-25"}
    return values | changes


def test_a_waiver_holds_to_its_last_day(evidence_of):
    evidence = evidence_of(rate(0.85, 0.02), rate(0.5, 0.02, metric="other"))
    other = {"id": "other", "metric": "other", "at_least": 0.1}
    policy = policy_of(RATE, other, waivers=[waiver()])
    report = judged(policy, evidence, incumbent=None)
    assert (report.verdict, report.exit_code) == ("ship", 0)
    check = report.checks[0]
    assert (check.status, check.found, check.waiver.owner) == ("waived", "fail", "ada")
    assert "match is waived by ada until 2026-11-25: known" in report.notes[0]
    late = judged(policy, evidence, incumbent=None, as_of=TODAY.replace(day=26))
    assert (late.verdict, late.checks[0].status) == ("reject", "fail")
    assert late.void_waivers[0].owner == "ada"
    assert "expired on 2026-11-25 and is void" in late.notes[0]


def test_a_waiver_of_one_category_is_of_no_other(evidence_of):
    rows = [rate(0.8, 0.01, slice=f"category={name}") for name in ("Shoes", "Toys")]
    check = RATE | {"by": "category"}
    policy = policy_of(check, waivers=[waiver(slice="category=Toys")])
    report = judged(policy, evidence_of(*rows), incumbent=None)
    assert {c.slice: c.status for c in report.checks} == {
        "category=Shoes": "fail",
        "category=Toys": "waived",
    }


def test_a_waiver_of_nothing_is_told(evidence_of):
    policy = policy_of(RATE, waivers=[waiver(slice="Shoes")])
    report = judged(policy, evidence_of(rate(0.8, 0.01)), incumbent=None)
    assert report.verdict == "reject"
    assert report.notes == ("The waiver of match (Shoes) by ada is for no part that was checked.",)


def test_what_passes_needs_no_waiver(evidence_of):
    policy = policy_of(RATE, waivers=[waiver()])
    report = judged(policy, evidence_of(rate(0.95, 0.01)), incumbent=None)
    assert (report.checks[0].status, report.notes) == ("pass", ())


def test_without_an_incumbent_a_comparison_does_not_ship(evidence_of):
    first, second, product = verdict_items(0)
    items = pl.concat([item_rows(CANDIDATE, first, product), item_rows(INCUMBENT, second, product)])
    report = judged(policy_of(drop_check()), evidence_of(items=items), incumbent=None)
    assert (report.checks[0].status, report.exit_code) == ("not_applicable", 5)


def test_the_same_evidence_and_policy_give_the_same_bytes(evidence_of):
    first, second, product = verdict_items(0, deficit=0.01)
    items = pl.concat([item_rows(CANDIDATE, first, product), item_rows(INCUMBENT, second, product)])
    evidence, policy = evidence_of(rate(0.93, 0.05), items=items), policy_of(RATE, drop_check())
    texts = {judged(policy, evidence).model_dump_json() for _ in range(2)}
    shuffled = evidence._replace(items=evidence.items.sample(fraction=1, shuffle=True, seed=1))
    texts.add(judged(policy, shuffled).model_dump_json())
    assert len(texts) == 1
