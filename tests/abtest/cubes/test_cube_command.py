"""``caig cube`` from end to end: what it prints and writes, and what it refuses."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from caig.cli import run
from caig.runs.store import Run

FIRST = date(2026, 3, 2)


def traffic(*, days=6, lost: float = 0.0, experiment: str = "e", control: str = "control"):
    """A log of units in two arms; a share of treatment's units may be lost."""
    rng = np.random.default_rng(7)
    n_units, n_rows = 3_000, 24_000
    unit = rng.integers(0, n_units, n_rows)
    is_treatment = unit % 2 == 1
    n = rng.integers(1, 4, n_rows)
    rate = 0.1 * np.where(is_treatment, 1.5, 1.0)
    log = pl.DataFrame(
        {
            "experiment_id": experiment,
            "arm": np.where(is_treatment, "treatment", control),
            "unit_id": [f"u{u}" for u in unit],
            "category": np.array(["Boots", "Sneakers", "Vases"])[rng.integers(0, 3, n_rows)],
            "day": [FIRST + timedelta(int(d)) for d in rng.integers(0, days, n_rows)],
            "n_impressions": n,
            "n_clicks": rng.binomial(n, rate),
        }
    )
    return log.filter(pl.Series(~is_treatment | (rng.random(n_units)[unit] >= lost)))


def lift_with_cube(log: pl.DataFrame, folder: Path, *settings: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    log.write_parquet(folder / "log.parquet")
    words = ["lift", str(folder / "log.parquet"), "--cube", *settings]
    assert run([*words, "--runs", str(folder / "runs")]) == 0
    (made,) = (folder / "runs").iterdir()
    return made


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    return traffic()


@pytest.fixture(scope="module")
def whole(log, tmp_path_factory) -> Path:
    """A run of ``caig lift --cube``."""
    return lift_with_cube(log, tmp_path_factory.mktemp("whole"))


@pytest.fixture
def cube(tmp_path, capsys):
    """``caig cube`` in this process: exit code, what it printed, and the run if there is one."""

    def call(*words, runs="asked"):
        capsys.readouterr()
        code = run(["cube", *map(str, words), "--runs", str(tmp_path / runs)])
        captured = capsys.readouterr()
        made = Run.open(Path(captured.out.splitlines()[-1])) if code == 0 else None
        return code, captured, made

    return call


def refused(outcome, *fragments):
    code, captured, _ = outcome
    assert (code, captured.out) == (2, "")
    assert [fragment for fragment in fragments if fragment not in captured.err] == []


def test_days_and_groups_are_those_of_the_log_itself(cube, log, whole, tmp_path):
    days = ("--from", "2026-03-03", "--to", "2026-03-05")
    code, captured, made = cube(whole, *days, "--group", "Shoes=Boots, Sneakers")
    assert code == 0
    assert "intervals differ by a few percent" in captured.out
    assert "e: treatment vs control, 2026-03-03 to 2026-03-05 (3 days)" in captured.out
    assert "Treatment wins overall: lift +" in captured.out

    chosen = log.filter(pl.col("day").is_between(date(2026, 3, 3), date(2026, 3, 5)))
    shoes = chosen.with_columns(pl.col("category").replace(["Boots", "Sneakers"], "Shoes"))
    exact = Run.open(lift_with_cube(shoes, tmp_path / "exact")).table("lift_table")
    found = made.table("cube_lifts")
    counts = ["category", "impressions_control", "clicks_treatment", "rel_lift"]
    assert_frame_equal(found.select(counts).sort("category"), exact.select(counts).sort("category"))
    width = pl.col("rel_lift_ci_upper") - pl.col("rel_lift_ci_lower")
    ratio = found.sort("category").select(width) / exact.sort("category").select(width)
    assert 0.9 < ratio.min().item() <= ratio.max().item() < 1.1
    assert found["n_bootstrap"].unique().to_list() == [2_000]
    assert made.manifest.verb == "cube"
    assert {role: r.run_id for role, r in made.manifest.inputs.items()} == {"cube": whole.name}
    assert set(made.manifest.artifacts) == {"config", "log", "cube_lifts", "health"}
    assert made.manifest.metrics["rel_lift"] == found.filter(category="__all__")["rel_lift"].item()


def test_a_day_is_added_without_reading_the_old_ones_again(cube, log, whole, tmp_path):
    last = log["day"].max()
    before = lift_with_cube(log.filter(pl.col("day") < last), tmp_path / "before")
    today = lift_with_cube(log.filter(pl.col("day") == last), tmp_path / "today")
    _, captured, added = cube(before, today, "--bootstrap", 50)
    assert "2 cubes added up" in captured.out
    assert_frame_equal(added.table("cube"), Run.open(whole).table("cube"))
    lifts = cube(whole, "--bootstrap", 50)[2].table("cube_lifts")
    assert_frame_equal(added.table("cube_lifts"), lifts)
    # The sum stands in place of its parts, for this verb and for the whole analysis.
    again = cube(added.path, "--bootstrap", 50)[2]
    assert_frame_equal(again.table("cube_lifts"), lifts)
    assert_frame_equal(again.table("health"), added.table("health"))
    assert run(["lift", str(added.path), "--from-cube", "--runs", str(tmp_path / "again")]) == 0
    refused(cube(added.path, today, runs="twice"), f"has {last} in two cubes")
    assert not (tmp_path / "twice").exists()


def test_a_gap_between_days_is_said(cube, log, tmp_path):
    gap = log.filter(pl.col("day") != date(2026, 3, 4))
    made = lift_with_cube(gap, tmp_path / "gap")
    code, captured, asked = cube(made, "--to", "2026-03-05", "--bootstrap", 0)
    assert code == 0
    assert "2026-03-02 to 2026-03-05 (only 3 of these 4 days are in the cube)" in captured.out
    assert asked.table("cube_lifts")["n_days"].unique().to_list() == [3]
    assert asked.manifest.seed is None


def test_an_unhealthy_log_stays_so_until_it_is_overridden_by_name(cube, tmp_path):
    made = lift_with_cube(traffic(lost=0.2), tmp_path / "faulty")
    _, captured, asked = cube(made, "--bootstrap", 20)
    assert "No verdict: the experiment is not healthy (sample ratio" in captured.out
    assert "wins" not in captured.out
    assert set(asked.table("cube_lifts")["verdict"]) == {"withheld"}
    # Added to a healthy day it is still unhealthy.
    healthy = traffic().with_columns(pl.col("day") + timedelta(days=10))
    other = lift_with_cube(healthy, tmp_path / "healthy")
    added = cube(other, made, "--bootstrap", 0)[2]
    assert set(added.table("cube_lifts")["verdict"]) == {"withheld"}
    assert set(cube(added.path, "--bootstrap", 0)[2].table("cube_lifts")["verdict"]) == {"withheld"}
    names = ("sample_ratio", "sample_ratio_by_category", "traffic_by_day")
    override = f"health.override={list(names)}".replace("'", '"')
    _, captured, asked = cube(added.path, "--set", override, "--bootstrap", 0)
    assert "Overridden: Sample ratio" in captured.out
    assert "win" in set(asked.table("cube_lifts")["verdict"])


def test_the_first_run_says_how_to_judge(cube, tmp_path):
    named = traffic(control="A")
    settings = ("--set", "design.control=A", "--set", "analysis.alpha=0.2")
    made = lift_with_cube(named, tmp_path / "named", *settings)
    asked = cube(made, "--bootstrap", 0)[2]
    assert asked.table("cube_lifts")["alpha"].unique().to_list() == [0.2]
    assert asked.table("cube_lifts")["contrast"].unique().to_list() == ["treatment vs A"]
    other = cube(made, "--bootstrap", 0, "--set", "analysis.alpha=0.01")[2]
    assert other.table("cube_lifts")["alpha"].unique().to_list() == [0.01]
    assert other.manifest.config["design"]["control"] == "A"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "yesterday"), ("--from yesterday: no such day; write it like 2026-03-02",)),
        (("--to", "2026-02-30"), ("--to 2026-02-30: no such day",)),
        (("--from", "2026-03-05", "--to", "2026-03-03"), ("the last day, 2026-03-03, is before",)),
        (
            ("--from", "2027-01-01"),
            ("nothing is left", "2027-01-01 to its last", "days 2026-03-02 to 2026-03-07"),
        ),
        (("--group", "Shoes"), ("--group Shoes: write it as NAME=CATEGORY,CATEGORY",)),
        (("--group", "Shoes=Bots"), ("no category 'Bots'; it has: Boots, ...",)),
        (("--group", "Vases=Boots"), ("group 'Vases': there is a category of this name",)),
        (("--group", "S=Boots", "--group", "T=Boots"), ("'Boots' is in group 'S' already",)),
        (("--group", "S=Boots", "--group", "S=Vases"), ("a group 'S' already",)),
        (("--group", "__all__=Boots"), ("cannot be called __all__",)),
        (("--set", "design.control=A"), ("no arm is called 'A'", "--set design.control=ARM")),
        (("--set", "columns.arm=a"), ("columns: Extra inputs are not permitted",)),
        (("--set", "design.randomisation=impression"), ("must be unit",)),
    ],
)
def test_what_cannot_be_asked_is_refused(cube, whole, tmp_path, words, said):
    refused(cube(whole, *words), *said)
    assert not (tmp_path / "asked").exists()


def test_what_holds_no_cube_is_refused(cube, log, tmp_path):
    refused(cube(), "name a run that holds a cube")
    refused(cube(tmp_path), "no run")
    log.write_parquet(tmp_path / "log.parquet")
    assert run(["lift", str(tmp_path / "log.parquet"), "--runs", str(tmp_path / "bare")]) == 0
    (bare,) = (tmp_path / "bare").iterdir()
    refused(cube(bare), "holds no cube; write one with: caig lift LOG --cube")


def test_names_cannot_steer_the_terminal(cube, log, tmp_path):
    hostile = "[red]x\x1b[31m\u202e"
    renamed = log.with_columns(pl.col("category").replace("Boots", hostile))
    made = lift_with_cube(renamed, tmp_path / "hostile")
    _, captured, asked = cube(made, "--bootstrap", 0)
    assert "[red]x" in captured.out
    assert "\x1b" not in captured.out
    assert "\u202e" not in captured.out
    assert hostile in asked.table("cube_lifts")["category"].to_list()
