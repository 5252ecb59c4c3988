"""``caig gate`` from end to end: exit codes, four views of one verdict, what is refused."""

import json
import re
import xml.etree.ElementTree as ET

import polars as pl
import pytest
from gate_world import (
    CANDIDATE,
    INCUMBENT,
    NOW,
    item_rows,
    judged,
    policy_of,
    result_rows,
    suite_run,
    verdict_items,
)
from pair_world import data_run, make_world, noisy_logits, pairs_run, scores_of, scores_run

from caig import text
from caig.cli import run
from caig.contracts.gates import ITEM_SCORES
from caig.contracts.records import GateReport
from caig.contracts.table import check
from caig.runs.store import Run
from evaluation.config import EvaluateConfig
from evaluation.gate import words
from evaluation.gate.evidence import read_evidence
from evaluation.gate.junit import junit
from evaluation.gate.report import render_html, render_markdown
from evaluation.gate.schema import schema
from evaluation.reading import read_evidence as read_pairs
from evaluation.suites.pair_items import pair_items

HOSTILE = "<script>alert(1)</script>|*x*\u202e\x07"
POLICY = """
format = "gate_policy/1"
[evidence]
max_error_rate = 0.02
min_coverage = 0.95
[[checks]]
id = "match"
metric = "match_rate"
at_least = 0.9
unit = "percent"
why = "Mismatch must stay rare."
[[checks]]
id = "drop"
metric = "match_rate"
margin = 0.03
unit = "percent"
"""


def figure_row(estimate, subject=CANDIDATE, **changes):
    row = {"subject": subject, "metric": "match_rate", "estimate": estimate, "n": 900}
    return row | {"ci_lower": estimate - 0.01, "ci_upper": estimate + 0.01} | changes


def evidence_run(root, estimate=0.95, deficit=0.0, *, subject=CANDIDATE, categories=None):
    first, second, product = verdict_items(2, deficit=deficit)
    items = pl.concat(
        [
            item_rows(subject, first, product, categories=categories),
            item_rows(INCUMBENT, second, product, categories=categories),
        ]
    )
    results = result_rows(figure_row(estimate, subject))
    return suite_run(root, items=items, results=results)


@pytest.fixture
def gate(tmp_path, capsys):
    path = tmp_path / "gate.toml"

    def call(*arguments, policy=POLICY):
        path.write_text(policy)
        capsys.readouterr()
        words = ["gate", *map(str, arguments), "--policy", str(path)]
        code = run([*words, "--runs", str(tmp_path / "gates")])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


NAMES = ("--candidate", CANDIDATE, "--incumbent", INCUMBENT)


@pytest.mark.parametrize(
    ("truth", "code", "said"),
    [
        ((0.95, 0.0), 0, "Ship candidate, against incumbent: 2 of 2 blocking checks passed"),
        ((0.80, 0.0), 3, "Reject candidate, against incumbent: match failed"),
        ((0.95, 0.03), 4, "Review candidate, against incumbent: drop inconclusive"),
        ((0.80, 0.15), 3, "Reject candidate, against incumbent: match, drop failed"),
    ],
)
def test_exit_codes(gate, tmp_path, truth, code, said):
    evidence = evidence_run(tmp_path / "runs", *truth)
    found, out, err = gate(evidence.path, *NAMES)
    assert (found, err) == (code, "")
    assert out.startswith(said)
    made = Run.open(tmp_path / "gates" / out.splitlines()[-1].rpartition("/")[2])
    assert made.problems() == []
    report = GateReport.model_validate_json(made.file("gate_report").read_bytes())
    assert report.exit_code == code
    assert made.manifest.inputs == {"evidence_1": evidence.as_input()}
    assert made.file("policy").read_text() == POLICY
    assert report.policy.sha256 == made.manifest.files[0].sha256
    views = [made.file(name).read_text() for name in ("report_html", "report_md", "junit")]
    for view in views:
        assert report.headline in view
    assert "Mismatch must stay rare." in views[0]
    tree = ET.fromstring(views[2]).find("testsuite")
    is_red = int(tree.get("failures")) + int(tree.get("errors")) > 0
    assert is_red == (code != 0)


def test_missing_evidence_exits_5(gate, tmp_path):
    run_ = suite_run(tmp_path / "runs", results=result_rows(figure_row(0.95)))
    code, out, _ = gate(run_.path)
    assert code == 5
    assert out.startswith("Review candidate: drop not applicable")
    first, second, product = verdict_items(2)
    items = pl.concat([item_rows(CANDIDATE, first, product), item_rows(INCUMBENT, second, product)])
    code, out, _ = gate(suite_run(tmp_path / "runs", items=items).path, *NAMES)
    assert code == 5
    assert "No suite_results has match_rate of candidate." in out


def test_evidence_may_lie_in_several_runs_in_any_order(gate, tmp_path):
    first, second, product = verdict_items(2)
    runs = [
        suite_run(tmp_path / "runs", items=item_rows(CANDIDATE, first, product)),
        suite_run(tmp_path / "runs", items=item_rows(INCUMBENT, second, product)),
        suite_run(tmp_path / "runs", results=result_rows(figure_row(0.95))),
    ]
    reports = []
    for order in (runs, runs[::-1]):
        code, out, _ = gate(*(r.path for r in order), *NAMES, "--as-of", "2026-11-20")
        assert code == 0
        made = Run.open(tmp_path / "gates" / out.splitlines()[-1].rpartition("/")[2])
        content = json.loads(made.file("gate_report").read_text())
        assert content.pop("created_at")
        reports.append(content)
    assert reports[0] == reports[1]
    assert reports[0]["as_of"] == "2026-11-20"
    drop = reports[0]["checks"][1]
    assert drop["evidence"]["run_id"] == runs[0].run_id
    assert drop["baseline_evidence"]["run_id"] == runs[1].run_id


@pytest.mark.parametrize(
    ("arguments", "policy", "said"),
    [
        ((), POLICY, "name one or more runs"),
        (("none",), POLICY, "0 runs fit 'none'"),
        (("RUN",), POLICY, "say which is the candidate"),
        (("RUN", "--candidate", "x"), POLICY, "'x' is not in the evidence"),
        (("RUN", *NAMES), POLICY.replace("min_coverage = 0.95", ""), "min_coverage"),
        (("RUN", *NAMES), "format = 1", "Input should be 'gate_policy/1'"),
        (("GATE", *NAMES), POLICY, "holds neither suite_results nor item_scores"),
    ],
)
def test_usage_exits_2_and_writes_nothing(gate, tmp_path, arguments, policy, said):
    evidence = evidence_run(tmp_path / "runs")
    other = suite_run(tmp_path / "runs")
    paths = {"RUN": evidence.path, "GATE": other.path}
    code, out, err = gate(*(paths.get(a, a) for a in arguments), policy=policy)
    assert (code, out) == (2, "")
    assert said in err
    assert not (tmp_path / "gates").exists()


def test_names_stay_text_in_every_view(gate, tmp_path):
    evidence = evidence_run(tmp_path / "runs", subject=HOSTILE, categories=[HOSTILE] * 900)
    policy = POLICY + 'by = "category"\n'
    code, out, _ = gate(evidence.path, "--candidate", HOSTILE, *NAMES[2:], policy=policy)
    assert code == 0
    assert "\x07" not in out
    assert "\u202e" not in out
    made = Run.open(tmp_path / "gates" / out.splitlines()[-1].rpartition("/")[2])
    html = made.file("report_html").read_text()
    assert "<script" not in html
    assert not re.search(r'(?:src|href)="(?!data:)', html)
    for figure in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
        assert ET.fromstring(figure.replace("\x07", "")).find(".//{*}title").text
    markdown = made.file("report_md").read_text()
    assert not re.search(r"(?<!\\)<script", markdown)
    tables = [block for block in markdown.split("\n\n") if block.startswith("|")]
    assert len(tables) == 3
    for table in tables:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.strip().splitlines()}
        assert len(widths) == 1, table
    assert ET.fromstring(made.file("junit").read_text()) is not None


def test_a_report_of_many_categories_stays_small(tmp_path):
    first, second, product = verdict_items(2, products=4000)
    categories = [f"category {k % 800}" for k in product]
    items = pl.concat(
        [
            item_rows(CANDIDATE, first, product, categories=categories),
            item_rows(INCUMBENT, second, product, categories=categories),
        ]
    )
    by_category = {"id": "a", "metric": "match_rate", "margin": 0.1, "by": "category"}
    policy = policy_of(by_category, statistics={"min_products": 2})
    report = judged(policy, read_evidence([suite_run(tmp_path, items=items)]))
    html = render_html(report)
    assert len(report.checks) == 800
    assert len(html) < 1_000_000
    assert "and 300 more; gate_report.json has all" in html
    assert render_markdown(report).count("\n| inconclusive") > 100


def test_junit_of_every_status(tmp_path):
    rows = [figure_row(e, metric=f"m{i}") for i, e in enumerate((0.95, 0.9, 0.8, 0.8, 0.8))]
    checks = [{"id": f"c{i}", "metric": f"m{i}", "at_least": 0.9} for i in range(6)]
    checks[4]["severity"] = "warn"
    waiver = {"check": "c3", "owner": "ada", "reason": "known", "expires": "2027-01-01"}
    evidence = read_evidence([suite_run(tmp_path, results=result_rows(*rows))])
    report = judged(policy_of(*checks, waivers=[waiver]), evidence, incumbent=None)
    assert [c.status for c in report.checks] == [
        "pass",
        "inconclusive",
        "fail",
        "waived",
        "fail",
        "error",
    ]
    suite = ET.fromstring(junit(report)).find("testsuite")
    kinds = [{child.tag for child in case} - {"system-out"} for case in suite.findall("testcase")]
    assert kinds == [set(), {"error"}, {"failure"}, {"skipped"}, set(), {"error"}, {"failure"}]
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "7", "failures": "2", "errors": "2", "skipped": "1"}
    assert suite.find("testcase/skipped") is not None
    assert "waived by ada until 2027-01-01" in junit(report)
    assert suite.get("timestamp") == NOW.strftime("%Y-%m-%dT%H:%M:%S")


def test_the_published_schema_is_up_to_date(repository):
    published = repository / "docs" / "schemas" / "gate_report-1.schema.json"
    assert published.read_text() == schema(), "run: python -m evaluation.gate.schema"


@pytest.mark.parametrize(
    ("value", "unit", "signed", "written"),
    [
        (0.9341, "percent", False, "93.4"),
        (-0.0412, "percent", True, "-4.1"),
        (-0.0001, "percent", True, "+0.0"),
        (0.123456, "number", False, "0.123"),
        (212.4, "number", False, "212.4"),
        (12345.6, "number", False, "12,346"),
        (None, "number", False, text.UNKNOWN),
    ],
)
def test_figures(value, unit, signed, written):
    assert words.figure(value, unit, signed=signed) == written


def test_planned_numbers_are_rounded_up():
    assert [words.about(n) for n in (7, 99, 101, 1234, 120_001)] == [
        "7",
        "99",
        "110",
        "1,300",
        "130,000",
    ]


def test_scorers_of_pairs_are_compared_by_their_items(gate, tmp_path):
    world = make_world(0, products=80)
    pairs = pairs_run(tmp_path / "runs", world.pairs, data_run(tmp_path / "runs", world.ads))
    new = scores_of(world.pairs, noisy_logits(world.ads, 0.05), "new")
    made = [
        scores_run(tmp_path / "runs", new.slice(6), pairs),
        scores_run(
            tmp_path / "runs", scores_of(world.pairs, noisy_logits(world.ads, 0.8), "old"), pairs
        ),
    ]
    config = EvaluateConfig()
    evidence = read_pairs(pairs.path, [m.path for m in made], config, root=tmp_path)
    items = pair_items(evidence, config)
    check(items, ITEM_SCORES)
    assert items["subject"].unique().sort().to_list() == ["new", "old"]
    asked = items.filter(pl.col("subject") == "new")
    assert asked["unscored_reason"].value_counts().drop_nulls().to_dicts() == [
        {"unscored_reason": "scored in one presentation only", "count": 6}
    ]
    old = items.filter(pl.col("subject") == "old")
    assert old.height == int((evidence.pairs.gold != 0).sum())
    policy = POLICY.replace("match_rate", "accuracy").replace("0.9\n", "0.1\n")
    policy = (
        policy[: policy.index('[[checks]]\nid = "match"')]
        + policy[policy.index('[[checks]]\nid = "drop"') :]
    )
    run_ = suite_run(tmp_path / "runs", items=items)
    for names, expected in ((("new", "old"), 0), (("old", "new"), 3)):
        code, out, _ = gate(
            run_.path, "--candidate", names[0], "--incumbent", names[1], policy=policy
        )
        assert code == expected, out
