"""``caig study``: what is made, what is chosen, what is told; a killed study ends the same."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from caig import cli
from caig.config import load_config, to_toml
from caig.contracts.preferences import ALIGNMENT_CURVES
from caig.errors import ConfigError
from caig.preference.policy import open_policy
from caig.runs.catalog import list_runs
from caig.runs.store import Run
from caig.study.config import JudgeConfig, StudyConfig, arm_config, arms_of
from caig.study.study_run import (
    chosen_rates,
    figures_of,
    report_jobs,
    study_run,
    sweep_jobs,
)

ROOT = Path(__file__).resolve().parents[3]
RECIPE = StudyConfig.model_validate(
    {
        "seeds": (0, 1),
        "sweep_seeds": (7,),
        "learning_rates": (1e-3, 4e-3),
        "judges": [{"name": "red <b>", "scorer": "preference_world:RedJudge"}],
        "align": {
            "epochs": 1,
            "products": 6,
            "truth": "preference_world:truth",
            "sampling": {"max_new_tokens": 12, "batch_size": 8},
            "generation": {
                "generator": "plain_generator:PlainGenerator",
                "size": 32,
                "batch_size": 8,
            },
            "corruption": {"patch": 8},
            "optim": {"batch_size": 3, "checkpoint_every": 1},
            "stop": {"min_valid": 0.0, "min_matching": 0.0},
        },
        "arms": {"DPO": {"loss.pcpo_weight": 0.0}, "PCPO": {}},
    }
)


def changed(**changes):
    return StudyConfig.model_validate(RECIPE.model_dump(exclude_none=True) | changes)


def words(policy_run, shop, recipe, *rest):
    return [
        *("study", "pcpo", policy_run.run_id, shop.run_id, "--config", str(recipe)),
        *("--runs", str(shop.path.parent), *rest),
    ]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    file = tmp_path_factory.mktemp("study") / "study.toml"
    file.write_text(to_toml(RECIPE))
    return file


@pytest.fixture(scope="module")
def done(policy_run, shop, recipe):
    """One study from the command line, one alignment at a time."""
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests" / "support"), before])
    try:
        assert cli.run(words(policy_run, shop, recipe)) == 0
    finally:
        os.environ["PYTHONPATH"] = before
    return Run.open(list_runs(shop.path.parent, verb="study")[0].path)


def test_every_arm_tries_every_rate_and_is_reported_with_every_seed(done):
    figures = done.table("study_figures")
    runs = figures.select("phase", "arm", "learning_rate", "seed").unique()
    assert runs.filter(pl.col("phase") == "sweep").height == 2 * 2
    reported = runs.filter(pl.col("phase") == "report")
    assert reported.height == 2 * 2
    assert reported["seed"].unique().sort().to_list() == [0, 1]
    assert reported.select("arm", "learning_rate").unique().height == 2
    assert done.manifest.metrics["n_alignments"] == 8
    # Rates are chosen on validation products and told of test products: three of each here.
    n = figures.filter(pl.col("metric") == "matching")["n"].unique().to_list()
    assert n == [3]


def test_all_arms_begin_alike_and_end_apart(done):
    figures = done.table("study_figures").filter(
        pl.col("phase") == "report", pl.col("metric") == "matching", pl.col("seed") == 0
    )
    assert figures.filter(pl.col("epoch") == 0)["value"].n_unique() == 1
    assert figures.filter(pl.col("epoch") == 1)["value"].n_unique() == 2


def test_what_people_read_is_whole_and_escaped(done):
    report = done.file("report").read_text()
    estimates = done.table("study_estimates")
    (gain,) = estimates.filter(pl.col("arm") == "PCPO", pl.col("metric") == "true_ctr_gain")["mean"]
    assert f"{gain:.3f}" in report
    assert "0.842" in report
    assert "## Choice of the learning rate" in report
    for name in ("front", "curves"):
        text = done.file(name).read_text()
        ElementTree.fromstring(text)
        assert "red &lt;b&gt;" in text
    assert not (done.path / "work").exists()


def test_rates_can_be_those_of_another_judge():
    two = changed(
        judges=[
            {"name": "a", "scorer": "x:A"},
            {"name": "b", "scorer": "x:B", "arms": ["PCPO"], "rates_of": "a"},
        ]
    )
    assert arms_of(two, two.judges[1]) == ("PCPO",)
    assert {job.judge for job in sweep_jobs(two)} == {"a"}
    rows = [
        (0, "valid", 1.0, 9),
        (0, "rm_win_rate", 0.5, 9),
        (1, "valid", 1.0, 9),
    ]
    curves = {}
    for job in sweep_jobs(two):
        wins = 0.9 if job.learning_rate == 4e-3 else 0.6
        table = [*rows, (1, "rm_win_rate", wins, 9)]
        curves[job] = pl.DataFrame(table, schema=ALIGNMENT_CURVES.schema, orient="row")
    # The same rate is too high for an arm that must keep all its texts valid.
    swept = figures_of(curves)
    falls = (
        (pl.col("metric") == "valid") & (pl.col("epoch") == 1) & (pl.col("learning_rate") == 4e-3)
    )
    swept = swept.with_columns(value=pl.when(falls).then(0.97).otherwise("value"))
    strict = chosen_rates(two.model_copy(update={"least_valid_of": {"DPO": 0.99}}), swept)
    assert (strict["a", "DPO"], strict["a", "PCPO"]) == (1e-3, 4e-3)
    rates = chosen_rates(two, figures_of(curves))
    assert rates == {("a", "DPO"): 4e-3, ("a", "PCPO"): 4e-3, ("b", "PCPO"): 4e-3}
    jobs = report_jobs(two, rates)
    assert len(jobs) == 2 * 3
    assert len({job.key for job in jobs}) == 6
    assert {job.config.scorer for job in jobs} == {"x:A", "x:B"}
    assert {job.config.heldout.split for job in jobs} == {"test"}


def test_an_arm_changes_what_it_names_and_nothing_else():
    dpo = arm_config(RECIPE, "DPO", {"seed": 5, "optim.learning_rate": 0.1})
    assert (dpo.loss.pcpo_weight, dpo.seed, dpo.optim.learning_rate) == (0, 5, 0.1)
    assert dpo.optim.batch_size == 3
    assert arm_config(RECIPE, "PCPO") == RECIPE.align


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": {}}, "name at least one"),
        ({"arms": {"DPO": {"loss.pcpo": 1}}}, r"arms\.DPO: loss\.pcpo: Extra inputs"),
        ({"baseline": "nobody"}, "no arm 'nobody'"),
        ({"least_valid_of": {"nobody": 0.99}}, "least_valid_of: no arm 'nobody'"),
        ({"seeds": (0, 0)}, "none twice"),
        ({"sweep_seeds": (1,)}, "seed 1 both chooses a rate and is reported"),
        ({"judges": [{"name": "a", "scorer": "x:A", "arms": ["no"]}]}, "no arm 'no'"),
        ({"judges": [{"name": "a", "scorer": "x:A", "rates_of": "z"}]}, "no judge 'z'"),
        ({"judges": []}, "judges: name at least one"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        changed(**changes)


def test_a_sweep_without_a_seed_is_refused(policy_run, shop):
    with pytest.raises(ConfigError, match="sweep_seeds"):
        study_run(
            open_policy(policy_run), shop, changed(sweep_seeds=()), runs=shop.path.parent, say=len
        )


def test_the_published_arms_are_in_the_recipe(repository):
    study = load_config(StudyConfig, repository / "configs" / "preference" / "study.toml")
    assert len(study.seeds) >= 5
    assert arm_config(study, "DPO").loss.pcpo_weight == 0
    assert (
        arm_config(study, "PCPO").loss
        == load_config(type(study.align), repository / "configs" / "preference" / "paper.toml").loss
    )
    cycling = arm_config(study, "Self-cycling (CG4CTR)").loss
    assert (cycling.dpo_weight, cycling.pcpo_weight, cycling.anchor) == (0, 0, 1)
    assert all(isinstance(judge, JudgeConfig) for judge in study.judges)


# Killed


def begin(arguments, said):
    script = f"import sys; from caig.cli import main; main({arguments!r})"
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    with said.open("w") as file:
        return subprocess.Popen(
            [sys.executable, "-c", script],
            env=environment,
            stdout=file,
            stderr=file,
            start_new_session=True,  # killed with its workers, as a machine that goes down
        )


@pytest.mark.slow
def test_a_killed_study_ends_the_same(done, policy_run, shop, recipe, tmp_path):
    said = tmp_path / "said.txt"
    process = begin(words(policy_run, shop, recipe, "--processes", "2"), said)
    for _ in range(3000):
        if "3 of 4: sweep" in said.read_text() or process.poll() is not None:
            break
        time.sleep(0.02)
    assert process.poll() is None, said.read_text()
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    killed = next(e for e in list_runs(shop.path.parent, verb="study") if e.status == "failed")
    curves = sorted((killed.path / "work" / "curves").glob("*.parquet"))
    assert len(curves) >= 3
    kept = {file.name: file.stat().st_mtime_ns for file in curves}
    process = begin(words(policy_run, shop, recipe, "--resume", killed.run_id, "--keep"), said)
    assert process.wait(timeout=300) == 0, said.read_text()
    ended = Run.open(Path(said.read_text().splitlines()[-1]))
    for name in ("study_figures", "study_estimates"):
        assert_frame_equal(ended.table(name), done.table(name))
    folder = ended.path / "work" / "curves"
    assert {name: (folder / name).stat().st_mtime_ns for name in kept} == kept
