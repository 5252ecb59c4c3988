"""What counts as evidence: missing, doubled, altered, aged, unanswered and too little of it."""

import numpy as np
import polars as pl
import pytest
from gate_world import (
    CANDIDATE,
    INCUMBENT,
    NOW,
    SUITE,
    drop_check,
    item_rows,
    judged,
    policy_of,
    result_rows,
    suite_run,
    verdict_items,
)
from hypothesis import given
from hypothesis import strategies as st

from caig.config import Config
from caig.errors import ArtifactError, CaigError
from evaluation.gate.categories import POOLED, parts_of
from evaluation.gate.evidence import chosen_subjects, open_runs, read_evidence

RATE = {"id": "match", "metric": "match_rate", "at_least": 0.9}
GOOD = {
    "subject": CANDIDATE,
    "metric": "match_rate",
    "estimate": 0.95,
    "ci_lower": 0.93,
    "ci_upper": 0.97,
    "n": 500,
}


def both(first, second, product, **changes):
    """Items of both subjects."""
    return pl.concat(
        [item_rows(CANDIDATE, first, product, **changes), item_rows(INCUMBENT, second, product)]
    )


def check_of(tmp_path, *, rows=(), items=None, check=RATE, config=None, **sections):
    """The one check on this evidence."""
    results = result_rows(*rows) if rows else None
    run = suite_run(tmp_path, results=results, items=items, config=config)
    report = judged(policy_of(check, **sections), read_evidence([run]))
    assert len(report.checks) == 1
    return report.checks[0]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([GOOD | {"metric": "other"}], "No suite_results has match_rate of candidate"),
        ([GOOD | {"subject": INCUMBENT}], "No suite_results has match_rate of candidate"),
        ([GOOD | {"slice": "category=Shoes"}], "No suite_results has match_rate of all"),
        ([GOOD, GOOD | {"suite": "b/2"}], "several suites have it: b/2, matching/1"),
        ([GOOD | {"ci_lower": None, "ci_method": "none: one product"}], "none: one product"),
        ([GOOD | {"estimate": None, "ci_lower": None, "n": 0}], "no item has an answer"),
        ([GOOD | {"n_unscored": 30}], "30 of 530 items have no answer (5.7 %); at most 2 %"),
        ([GOOD, GOOD | {"subject": INCUMBENT, "n": 700}], "rests on 500 of 700 items"),
    ],
)
def test_a_figure_that_does_not_count_is_an_error(tmp_path, rows, said):
    check = check_of(tmp_path, rows=rows)
    assert check.status == "error"
    assert said.lower() in check.reason.lower()


def test_a_named_suite(tmp_path):
    rows = [GOOD, GOOD | {"suite": "b/2", "estimate": 0.5, "ci_lower": 0.4, "ci_upper": 0.6}]
    assert check_of(tmp_path, rows=rows, check=RATE | {"suite": SUITE}).status == "pass"
    assert check_of(tmp_path, rows=rows, check=RATE | {"suite": "b/2"}).status == "fail"


def test_a_run_that_does_not_say_its_level(tmp_path):
    check = check_of(tmp_path, rows=[GOOD], config=Config())
    assert check.status == "error"
    assert "does not state the level of its intervals" in check.reason


def test_a_check_may_have_limits_of_its_own(tmp_path):
    rows = [GOOD | {"n_unscored": 30}]
    mild = RATE | {"max_error_rate": 0.1, "min_coverage": 0.9}
    assert check_of(tmp_path, rows=rows, check=mild).status == "pass"


def test_too_few_items_are_inconclusive_and_told(tmp_path):
    check = check_of(tmp_path, rows=[GOOD], check=RATE | {"min_items": 800})
    assert (check.status, check.more_items) == ("inconclusive", 300)
    missing = [GOOD | {"n_unscored": 30}]
    assert check_of(tmp_path, rows=missing, check=RATE | {"min_items": 800}).status == "error"


def test_old_evidence_does_not_count(tmp_path):
    run = suite_run(tmp_path, results=result_rows(GOOD))
    made = run.manifest.finished_at.date()
    rules = {"max_error_rate": 0.02, "min_coverage": 0.95, "max_age_days": 30}
    policy, evidence = policy_of(RATE, evidence=rules), read_evidence([run])
    for days, status in ((30, "pass"), (31, "error")):
        as_of = made.fromordinal(made.toordinal() + days)
        assert judged(policy, evidence, as_of=as_of).checks[0].status == status


def test_two_runs_with_the_same_figure_are_no_evidence(tmp_path):
    runs = [suite_run(tmp_path, results=result_rows(GOOD)) for _ in range(2)]
    check = judged(policy_of(RATE), read_evidence(runs)).checks[0]
    assert check.status == "error"
    assert all(run.run_id in check.reason for run in runs)


def test_an_altered_file_is_refused(tmp_path):
    run = suite_run(tmp_path, results=result_rows(GOOD))
    path = run.file("suite_results")
    path.chmod(0o644)
    result_rows(GOOD | {"ci_lower": 0.949}).write_parquet(path)
    with pytest.raises(ArtifactError, match="differs from its checksum"):
        read_evidence([run])


def test_which_runs_and_subjects(tmp_path):
    run = suite_run(tmp_path, results=result_rows(GOOD, GOOD | {"subject": "b"}))
    other = suite_run(tmp_path, results=result_rows(GOOD))
    assert [r.run_id for r in open_runs([other.path, run.path], root=tmp_path)] == sorted(
        [run.run_id, other.run_id]
    )
    with pytest.raises(CaigError, match="named twice"):
        open_runs([run.path, run.path], root=tmp_path)
    evidence = read_evidence([run])
    assert chosen_subjects(evidence, None, "b") == (CANDIDATE, "b")
    for names, said in (
        ((None, None), "say which is the candidate"),
        (("c", None), "--candidate 'c' is not in the evidence; evaluated: b, candidate"),
        (("b", "c"), "--incumbent 'c'"),
        (("b", "b"), "cannot be both"),
    ):
        with pytest.raises(CaigError, match=said):
            chosen_subjects(evidence, *names)


def test_a_comparison_is_of_the_items_both_answered(tmp_path):
    first, second, product = verdict_items(1)
    first[:9], second[4:14] = np.nan, np.nan
    check = check_of(tmp_path, items=both(first, second, product), check=drop_check(margin=0.1))
    assert (check.n, check.n_unscored) == (886, 10)
    assert check.coverage == pytest.approx(886 / 900)
    assert check.candidate_value == pytest.approx(first[14:].mean())
    assert check.incumbent_value == pytest.approx(second[14:].mean())
    assert check.observed == pytest.approx(check.candidate_value - check.incumbent_value)
    assert check.n_clusters == 296
    assert check.evidence == check.baseline_evidence


def test_items_of_one_subject_only_lower_the_coverage(tmp_path):
    first, second, product = verdict_items(1)
    items = pl.concat(
        [
            item_rows(CANDIDATE, first[:600], product[:600]),
            item_rows(INCUMBENT, second, product),
        ]
    )
    check = check_of(tmp_path, items=items, check=drop_check())
    assert check.status == "error"
    assert "rests on 600 of 900 items (66.7 %); at least 95 %" in check.reason


def test_too_few_products_are_inconclusive_and_told(tmp_path):
    first, second, product = verdict_items(1, products=20)
    items = both(first, second, product)
    check = check_of(tmp_path, items=items, check=drop_check(margin=0.9))
    assert (check.status, check.more_items) == ("inconclusive", 30)
    one = both(first[:3], second[:3], product[:3])
    assert check_of(tmp_path, items=one, check=drop_check()).status == "error"


def test_an_item_of_two_products_is_an_error(tmp_path):
    first, second, product = verdict_items(1)
    items = pl.concat(
        [item_rows(CANDIDATE, first, product), item_rows(INCUMBENT, second, product + 1)]
    )
    check = check_of(tmp_path, items=items, check=drop_check())
    assert check.status == "error"
    assert "900 items are of another product" in check.reason


def test_two_suites_are_not_compared(tmp_path):
    first, second, product = verdict_items(1)
    items = pl.concat(
        [
            item_rows(CANDIDATE, first, product, suite="matching/2"),
            item_rows(INCUMBENT, second, product),
        ]
    )
    check = check_of(tmp_path, items=items, check=drop_check())
    assert check.status == "error"
    assert "two suites: matching/1, matching/2" in check.reason


def test_swapping_subjects_turns_the_difference(tmp_path):
    first, second, product = verdict_items(1, deficit=0.05)
    there = check_of(tmp_path, items=both(first, second, product), check=drop_check())
    back = check_of(tmp_path, items=both(second, first, product), check=drop_check())
    assert back.observed == -there.observed
    assert (back.ci_lower, back.ci_upper) == pytest.approx((-there.ci_upper, -there.ci_lower))


def test_categories_are_checked_one_by_one_and_small_ones_pooled(tmp_path):
    first, second, product = verdict_items(1, products=300)
    names = np.array(["Beauty", "Food", "Pets", "Shoes"])
    categories = list(names[np.searchsorted([120, 125, 130], product, side="right")])
    items = both(first, second, product, categories=categories)
    items = items.with_columns(pl.Series("category", categories * 2))
    check = drop_check(by="category", min_items=100, margin=0.3)
    run = suite_run(tmp_path, items=items)
    report = judged(policy_of(check), read_evidence([run]))
    # Food and Pets are small, and together too: the next smallest, Beauty, joins them.
    assert [(c.slice, c.categories, c.n) for c in report.checks] == [
        ("category=Shoes", (), 510),
        (POOLED, ("Beauty", "Food", "Pets"), 390),
    ]
    assert {c.status for c in report.checks} == {"pass"}


def test_pooled_figures_of_a_suite(tmp_path):
    def row(name, estimate, half, n, **changes):
        limits = {"ci_lower": estimate - half, "ci_upper": estimate + half}
        return GOOD | {"slice": f"category={name}", "estimate": estimate, "n": n} | limits | changes

    rows = [
        row("Shoes", 0.95, 0.02, 900),
        row("Food", 0.96, 0.03, 60),
        row("Pets", 0.92, 0.04, 40),
        row("Art", 1.0, 0.0, 2, ci_lower=None, ci_upper=None),
    ]
    run = suite_run(tmp_path, results=result_rows(*rows))
    check = RATE | {"by": "category", "min_items": 100}
    shoes, pooled = judged(policy_of(check), read_evidence([run])).checks
    assert (shoes.slice, shoes.n) == ("category=Shoes", 900)
    assert pooled.categories == ("Art", "Food", "Pets")
    assert pooled.observed == pytest.approx((0.96 * 60 + 0.92 * 40 + 2) / 102)
    half = np.sqrt((60 * 0.03) ** 2 + (40 * 0.04) ** 2 + (2 * 0.5 * 1.959964) ** 2) / 102
    assert pooled.ci_lower == pytest.approx(pooled.observed - half, abs=1e-6)
    # A category the incumbent has and the candidate lacks is not overlooked.
    lacking = [*rows, row("Toys", 0.9, 0.02, 500, subject=INCUMBENT)]
    run = suite_run(tmp_path, results=result_rows(*lacking))
    found = {c.slice: c.status for c in judged(policy_of(check), read_evidence([run])).checks}
    assert found["category=Toys"] == "error"


@given(
    counts=st.dictionaries(
        st.text("abcdef", min_size=1, max_size=3), st.tuples(st.integers(0, 50), st.integers(0, 9))
    ),
    min_items=st.integers(1, 60),
    min_products=st.integers(0, 20),
)
def test_every_category_is_in_one_part_and_no_part_is_small(counts, min_items, min_products):
    sizes = {name: n for name, (n, _) in counts.items()}
    products = {name: n for name, (_, n) in counts.items()}
    parts = parts_of(sizes, products, min_items=min_items, min_products=min_products)
    assert sorted(name for part in parts for name in part.categories) == sorted(sizes)

    def is_enough(names):
        items = sum(sizes[name] for name in names)
        return items >= min_items and sum(products[name] for name in names) >= min_products

    if is_enough(sizes):
        assert all(is_enough(part.categories) for part in parts)
    else:
        assert len(parts) <= 1


def test_categories_of_few_products_are_pooled(tmp_path):
    first, second, product = verdict_items(1, products=100)
    categories = ["Shoes" if k < 60 else "Food" if k < 80 else "Pets" for k in product]
    items = both(first, second, product)
    items = items.with_columns(pl.Series("category", categories * 2))
    check = drop_check(by="category", min_items=10, margin=0.5)
    found = judged(policy_of(check), read_evidence([suite_run(tmp_path, items=items)])).checks
    assert [(c.slice, c.n_clusters, c.status) for c in found] == [
        ("category=Shoes", 60, "pass"),
        (POOLED, 40, "pass"),
    ]


def test_the_report_says_what_it_read(tmp_path):
    run = suite_run(tmp_path, results=result_rows(GOOD))
    report = judged(policy_of(RATE), read_evidence([run]), incumbent=None)
    assert report.created_at == NOW
    assert [ref.artifact for ref in report.artifacts] == ["suite_results"]
    assert report.artifacts[0].sha256 == run.manifest.artifacts["suite_results"].sha256
    assert report.runs == (run.as_input(),)
