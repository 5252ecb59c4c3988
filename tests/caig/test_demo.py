"""``caig demo`` as a user runs it, on fewer users: every stage, and runs that hang together."""

import re
from collections import Counter

import pytest

from caig import cli
from caig.contracts.experiments import ALL_CATEGORIES
from caig.runs.catalog import list_runs
from caig.runs.store import Run

pytestmark = pytest.mark.slow


def test_demo_makes_aligns_analyses_compares_and_finds_the_fault(tmp_path, capsys):
    words = ["--users", "30000", "--epochs", "1"]
    assert cli.run(["demo", "--runs", str(tmp_path / "runs"), *words]) == 0
    said = capsys.readouterr().out
    assert "category intervals hold the true lift" in said
    assert "Sample ratio: unhealthy" in said
    assert "verdicts given: withheld" in said
    assert f"dashboard {tmp_path / 'runs'}" in said
    for name in ("DPO", "PCPO"):
        (line,) = [line for line in said.splitlines() if line.split()[:1] == [name]]
        assert re.fullmatch(rf"\s+{name}\s+8\d\.\d %\s+\d\d\.\d %\s+\+\d+ %", line)
    assert "# The online week" in said
    entries = list_runs(tmp_path / "runs")
    assert {entry.status for entry in entries} == {"complete"}
    made = Counter(entry.verb for entry in entries)
    expected = {"make-data": 3, "lift": 3, "align": 2, "sheets": 1, "experiment": 1, "prefer": 2}
    assert {verb: made[verb] for verb in expected} == expected
    for entry in entries:
        run = Run.open(entry.path)
        assert run.problems() == []
        if entry.verb == "lift":
            assert list(run.manifest.inputs) == ["impression_log"]
            assert ALL_CATEGORIES in run.table("lift_table")["category"].to_list()


def test_demo_without_alignments_says_so(tmp_path, capsys):
    words = ["--users", "20000", "--epochs", "0"]
    assert cli.run(["demo", "--runs", str(tmp_path / "runs"), *words]) == 0
    said = capsys.readouterr().out
    assert said.count("left out") == 2
    assert not list_runs(tmp_path / "runs", verb="align")
