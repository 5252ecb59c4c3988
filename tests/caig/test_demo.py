"""``caig demo`` as a user runs it, on fewer users: every stage, and runs that hang together."""

import pytest

from caig import cli
from caig.contracts.experiments import ALL_CATEGORIES
from caig.runs.catalog import list_runs
from caig.runs.store import Run

pytestmark = pytest.mark.slow


def test_demo_makes_analyses_compares_and_finds_the_fault(tmp_path, capsys):
    assert cli.run(["demo", "--runs", str(tmp_path / "runs"), "--users", "30000"]) == 0
    said = capsys.readouterr().out
    assert "category intervals hold the true lift" in said
    assert "Sample ratio: unhealthy" in said
    assert "verdicts given: withheld" in said
    assert f"dashboard {tmp_path / 'runs'}" in said
    entries = list_runs(tmp_path / "runs")
    assert sorted(entry.verb for entry in entries) == [
        "generate",
        "lift",
        "lift",
        "make-data",
        "make-data",
    ]
    assert {entry.status for entry in entries} == {"complete"}
    for entry in entries:
        run = Run.open(entry.path)
        assert run.problems() == []
        if entry.verb == "lift":
            assert list(run.manifest.inputs) == ["impression_log"]
            table = run.table("lift_table")
            assert table.height == 45
            assert ALL_CATEGORIES in table["category"].to_list()
