"""``caig simulate`` as a user calls it: the run it writes, and going on after a kill."""

import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from abtest.simulation.results import EXPERIMENTS, GROWING, read_results
from caig.cli import run
from caig.runs.store import Run

SMALL = ("--set", "traffic.n_units=300", "--set", "traffic.n_categories=4", "--processes", "1")


def simulate(capsys, *words):
    capsys.readouterr()
    code = run(["simulate", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def finished(tmp_path, capsys) -> Run:
    code, out, err = simulate(
        capsys, *SMALL, "--set", "experiments=3", "--runs", tmp_path / "before"
    )
    assert code == 0, err
    return Run.open(Path(out.splitlines()[-1]))


def test_the_run_holds_rates_of_every_scenario_and_all_experiments(finished, capsys):
    rates = finished.table("error_rates")
    assert rates["scenario"].unique().sort().to_list() == ["aa", "ab", "mixture"]
    assert set(rates["n_experiments"]) <= {0, 1, 2, 3}
    assert len(read_results(finished.path / EXPERIMENTS)) == 9
    assert not (finished.path / GROWING).exists()
    assert finished.problems() == []


def test_more_experiments_are_added_to_those_done(finished, tmp_path, capsys):
    words = ("--runs", tmp_path / "after", "--processes", "1", "--set", "experiments=5")
    code, out, err = simulate(capsys, "--resume", finished.path, *words)
    assert code == 0, err
    more = Run.open(Path(out.splitlines()[-1]))
    assert '"taken_over": 9' in (more.path / "log.jsonl").read_text()
    code, out, _ = simulate(capsys, *SMALL, "--set", "experiments=5", "--runs", tmp_path / "fresh")
    fresh = Run.open(Path(out.splitlines()[-1]))
    assert more.file("experiments").read_bytes() == fresh.file("experiments").read_bytes()
    assert more.table("error_rates").equals(fresh.table("error_rates"))


@pytest.mark.parametrize("cut", [1, 40])
def test_a_torn_last_line_is_run_again(finished, tmp_path, capsys, cut):
    torn = tmp_path / "20260101T000000-simulate-0000"
    torn.mkdir()
    (torn / "config.toml").write_bytes((finished.path / "config.toml").read_bytes())
    whole = (finished.path / EXPERIMENTS).read_bytes()
    (torn / GROWING).write_bytes(whole[:-cut])
    code, out, err = simulate(
        capsys, "--resume", torn, "--runs", tmp_path / "after", "--processes", "1"
    )
    assert code == 0, err
    assert (Path(out.splitlines()[-1]) / EXPERIMENTS).read_bytes() == whole


def test_resuming_refuses_another_configuration_and_other_folders(finished, tmp_path, capsys):
    words = ("--resume", finished.path, "--runs", tmp_path / "x")
    code, out, err = simulate(capsys, *words, "--set", "alpha=0.1")
    assert (code, out) == (2, "")
    assert "may change experiments only" in err
    code, _, err = simulate(capsys, "--resume", tmp_path, "--runs", tmp_path / "x")
    assert code == 2
    assert "no run of caig simulate" in err
    code, _, err = simulate(capsys, *words, "--config", "a.toml")
    assert code == 2
    assert "leave out --config" in err
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(tmp_path, capsys):
    options = ("--set", "traffic.n_units=300", "--set", "traffic.n_categories=4")
    words = [sys.executable, "-m", "caig", "simulate", *options, "--set", "experiments=2000"]
    with subprocess.Popen(
        [*words, "--runs", str(tmp_path / "killed"), "--processes", "2"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 60
        while not (growing := [*tmp_path.glob(f"killed/*/{GROWING}")]) or not read_results(
            growing[0]
        ):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()
    done = len(read_results(growing[0]))
    code, out, err = simulate(
        capsys,
        "--resume",
        growing[0].parent,
        "--set",
        f"experiments={done // 3 + 2}",
        "--runs",
        tmp_path / "after",
        "--processes",
        "1",
    )
    assert code == 0, err
    after = Run.open(Path(out.splitlines()[-1]))
    code, out, _ = simulate(
        capsys,
        *options,
        "--set",
        f"experiments={done // 3 + 2}",
        "--runs",
        tmp_path / "fresh",
        "--processes",
        "1",
    )
    fresh = Run.open(Path(out.splitlines()[-1]))
    assert after.file("experiments").read_bytes() == fresh.file("experiments").read_bytes()


@pytest.mark.slow
def test_rates_keep_their_promises(tmp_path, capsys):
    """Bounds allow for the noise of few experiments; docs/simulation.md has those of a long run."""
    code, out, err = simulate(
        capsys, "--set", "experiments=80", "--runs", tmp_path, "--processes", "2"
    )
    assert code == 0, err
    table = Run.open(Path(out.splitlines()[-1])).table("error_rates")
    table = table.filter(pl.col("scope") != "one_category")
    rate = {
        tuple(row[:4]): row[4]
        for row in table.select("scenario", "figure", "scope", "method", "rate").iter_rows()
    }
    # 80 x about 40 tests: Monte Carlo standard error 0.4 points; one test an experiment: 2.4.
    assert rate["aa", "false_positive", "category", "clustered"] == pytest.approx(0.05, abs=0.015)
    assert rate["aa", "false_positive", "overall", "clustered"] <= 0.05 + 3 * 0.024
    assert (
        rate["aa", "false_positive", "overall", "binomial"]
        > rate["aa", "false_positive", "overall", "clustered"]
    )
    assert rate["aa", "any_claim", "experiment", "clustered"] <= 0.05 + 3 * 0.024
    assert rate["aa", "stops_some_day", "overall", "clustered, always-valid"] <= 0.05 + 3 * 0.024
    for scenario in ("ab", "mixture"):
        covers = rate[scenario, "covers_truth", "category", "clustered"]
        assert covers == pytest.approx(0.95, abs=0.015)
        assert rate[scenario, "covers_truth", "overall", "clustered"] >= 0.95 - 3 * 0.024
    assert rate["mixture", "false_discovery_rate", "experiment", "clustered"] <= 0.05 + 3 * 0.024
