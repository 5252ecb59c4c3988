"""``caig align``: the loop from end to end, what its runs hold, and kill -9 at any moment."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from preference_world import RECIPE, changed

from caig import cli
from caig.config import load_config, to_toml
from caig.errors import ConfigError, DataError
from caig.preference.align import align_run
from caig.preference.config import AlignConfig
from caig.preference.policy import open_policy
from caig.runs.catalog import find_run, list_runs
from caig.runs.store import Run

ROOT = Path(__file__).resolve().parents[3]
WEIGHTS = "checkpoint/model.safetensors"
STAGES = ("samples", "ads", "pairs", "policy", "heldout-samples", "heldout-ads", "figures")


@pytest.fixture(scope="module")
def done(policy_run, shop, tmp_path_factory):
    """One alignment from the command line."""
    file = tmp_path_factory.mktemp("aligned") / "recipe.toml"
    file.write_text(to_toml(RECIPE))
    runs = str(shop.path.parent)
    words = ["align", policy_run.run_id, shop.run_id, "--config", str(file), "--runs", runs]
    assert cli.run(words) == 0
    return Run.open(list_runs(shop.path.parent, verb="align")[0].path)


def test_every_stage_is_a_run_with_its_lineage(done):
    stages = json.loads(done.file("stages").read_text())
    first = ("heldout-samples", "heldout-ads", "figures")
    assert list(stages) == [*(f"0/{name}" for name in first)] + [
        f"{epoch}/{name}" for epoch in (1, 2) for name in STAGES
    ]
    runs = {name: find_run(done.path.parent, run_id) for name, run_id in stages.items()}
    assert all(run.problems() == [] for run in [done, *runs.values()])
    assert runs["2/policy"].manifest.inputs["policy"].run_id == stages["1/policy"]
    start = done.manifest.inputs["policy"]
    for epoch in (1, 2):
        assert runs[f"{epoch}/policy"].manifest.inputs["reference"] == start
        assert runs[f"{epoch}/pairs"].manifest.inputs["ads"].run_id == stages[f"{epoch}/ads"]
    # A window of six of the nine products, then the next six, around.
    windows = [
        set(runs[f"{epoch}/samples"].table("prompt_samples")["product_id"]) for epoch in (1, 2)
    ]
    assert [len(window) for window in windows] == [6, 6]
    assert len(windows[0] | windows[1]) == 9
    assert not (done.path / "work").exists()


def test_the_run_holds_the_last_prompt_model_and_all_curves(done):
    stages = json.loads(done.file("stages").read_text())
    last = find_run(done.path.parent, stages["2/policy"])
    assert done.manifest.artifacts[WEIGHTS].sha256 == last.manifest.artifacts[WEIGHTS].sha256
    policy = open_policy(done)
    assert (policy.epoch, policy.side) == (2, 32)
    curves = done.table("alignment_curves")
    assert curves["epoch"].unique().sort().to_list() == [0, 1, 2]
    names = set(curves["metric"])
    assert {
        "matching",
        "matching_sampled",
        "valid",
        "rm_win_rate",
        "true_ctr_gain",
        "rm_truth_agreement",
        "goodhart_gap",
        "scene_entropy",
        "distinct_prompts",
    } <= names
    start = dict(curves.filter(pl.col("epoch") == 0).select("metric", "value").iter_rows())
    assert start["rm_win_rate"] == start["true_win_rate"] == 0.5
    assert start["true_ctr_gain"] == start["goodhart_gap"] == 0
    assert "PCPO" in done.file("curves").read_text()
    assert done.manifest.metrics["epochs_run"] == 2


def test_training_is_on_the_pairs_that_are_used(done):
    stages = json.loads(done.file("stages").read_text())
    pairs = find_run(done.path.parent, stages["1/pairs"]).table("preference_pairs")
    assert "used" in pairs["verdict"].to_list()
    tuned = find_run(done.path.parent, stages["1/policy"])
    steps = [json.loads(line) for line in tuned.file("training_steps").read_text().splitlines()]
    assert steps[0]["dpo_loss"] == pytest.approx(0.6931, abs=1e-3)
    assert tuned.manifest.metrics["n_pairs"] == (pairs["verdict"] == "used").sum()


def test_the_result_can_be_sampled_from_and_aligned_further(done, shop, tmp_path, capsys):
    words = ["sample", done.run_id, shop.run_id, "--set", "sampling.max_new_tokens=12"]
    assert cli.run([*words, "--runs", str(shop.path.parent)]) == 0
    samples = Run.open(Path(capsys.readouterr().out.strip())).table("prompt_samples")
    assert samples["epoch"].unique().to_list() == [2]


def test_a_stop_takes_the_epoch_before(policy_run, shop):
    heard = []
    settings = changed(stop={"min_valid": 0.999}, optim={"learning_rate": 0.5})
    path = align_run(
        open_policy(policy_run), shop, settings, runs=shop.path.parent, say=heard.append
    )
    run = Run.open(path)
    assert any("valid fell from" in line and "the result is epoch 0" in line for line in heard)
    assert run.manifest.metrics["epoch"] == 0
    assert run.manifest.metrics["epochs_run"] == 1
    start = policy_run.manifest.artifacts[WEIGHTS].sha256
    assert run.manifest.artifacts[WEIGHTS].sha256 == start


def test_a_model_that_falls_apart_ends_the_loop(policy_run, shop):
    heard = []
    settings = changed(optim={"learning_rate": 0.5}, epochs=3)
    path = align_run(
        open_policy(policy_run), shop, settings, runs=shop.path.parent, say=heard.append
    )
    run = Run.open(path)
    assert "epoch 2: no pair to learn from; the result is 1" in heard
    assert (run.manifest.metrics["epoch"], run.manifest.metrics["epochs_run"]) == (1, 1)
    assert run.table("alignment_curves")["epoch"].max() == 1


def test_a_judge_that_goes_by_sides_leaves_nothing_to_learn(policy_run, shop):
    settings = changed(scorer="preference_world:LeaningJudge")
    with pytest.raises(DataError, match=r"no pair to train on .*sides_disagree"):
        align_run(open_policy(policy_run), shop, settings, runs=shop.path.parent, say=len)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scorer": ""}, "name the judge"),
        ({"truth": "nowhere:no"}, "truth: 'nowhere:no' cannot be imported"),
    ],
)
def test_what_is_missing_is_said_first(policy_run, shop, changes, message):
    with pytest.raises(ConfigError, match=message):
        align_run(open_policy(policy_run), shop, changed(**changes), runs=shop.path.parent)


def test_a_pair_is_of_two(repository):
    with pytest.raises(ValueError, match="a pair is of two"):
        changed(sampling={"per_product": 3})
    for name in ("tiny", "paper"):
        file = repository / "configs" / "preference" / f"{name}.toml"
        assert load_config(AlignConfig, file).epochs == 5
    paper = load_config(AlignConfig, repository / "configs" / "preference" / "paper.toml")
    assert (paper.optim.lora_rank, paper.optim.lora_alpha, paper.loss.beta) == (128, 256, 0.5)


# Killed


def begin(policy_run, shop, recipe, *rest):
    """A process that aligns; what it says is in the file beside the recipe."""
    words = ["align", policy_run.run_id, shop.run_id, "--config", str(recipe)]
    words += ["--runs", str(shop.path.parent), *rest]
    script = f"import sys; from caig.cli import main; main({words!r})"
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
    environment = {**os.environ, "PYTHONPATH": paths, "PLAIN_SECONDS": "0.03"}
    environment |= {"OMP_NUM_THREADS": "1"}
    with recipe.with_suffix(".said").open("w") as said:
        return subprocess.Popen(
            [sys.executable, "-c", script], env=environment, stdout=said, stderr=said
        )


ORDER = [f"0/{name}" for name in ("heldout-samples", "heldout-ads", "figures")] + [
    f"{epoch}/{name}" for epoch in (1, 2) for name in STAGES
]


def killed_in(process, said, stage, seconds):
    """Kill a process a while after it has begun a stage or a later one; False if it was faster."""
    due = set(ORDER[ORDER.index(stage) :])
    for _ in range(12_000):
        if due & set(said.read_text().splitlines()) or process.poll() is not None:
            break
        time.sleep(0.01)
    time.sleep(seconds)
    is_alive = process.poll() is None
    process.kill()
    process.wait()
    return is_alive


@pytest.mark.slow
def test_killed_at_any_moment_the_end_is_the_same(done, policy_run, shop, tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(to_toml(RECIPE))
    said = recipe.with_suffix(".said")
    rng = random.Random(int(os.environ.get("KILL_SEED", "0")))
    runs, rest = shop.path.parent, []
    # Leftovers of other work must not be taken for a stage of this.
    (runs / "20200101T000000-generate-0000").mkdir()
    (runs / "20200101T000000-generate-0000" / "source.json").write_text("{}")
    (runs / "20200101T000000-sample-0000" / "work").mkdir(parents=True)
    (runs / "20200101T000000-sample-0000" / "work" / "task.json").write_text("{}")
    n_kills = 0
    for stage in ("0/heldout-ads", "1/samples", "1/policy", "1/heldout-ads", "2/policy"):
        process = begin(policy_run, shop, recipe, *rest)
        if not killed_in(process, said, stage, rng.uniform(0, 0.3)):
            break
        n_kills += 1
        (latest, *_) = [e for e in list_runs(runs, verb="align") if e.status == "failed"]
        rest = ["--resume", latest.run_id]
    else:
        process = begin(policy_run, shop, recipe, *rest)
    assert process.wait(timeout=300) == 0, said.read_text()
    # Between two kills a fast machine may do several stages; it cannot do all at once.
    assert n_kills >= 3
    ended = Run.open(Path(said.read_text().splitlines()[-1]))
    assert ended.manifest.artifacts[WEIGHTS].sha256 == done.manifest.artifacts[WEIGHTS].sha256
    assert_frame_equal(ended.table("alignment_curves"), done.table("alignment_curves"))
    assert list(json.loads(ended.file("stages").read_text())) == list(
        json.loads(done.file("stages").read_text())
    )
