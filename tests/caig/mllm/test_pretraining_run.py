"""``caig pretrain`` from start to end on the shop of coloured squares, and after a kill."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from coloured_shop import KINDS, SMALL, write_shop
from safetensors.torch import load_file

from caig import cli
from caig.config import to_toml
from caig.errors import ArtifactError, CaigError, ConfigError
from caig.mllm.config import PretrainConfig
from caig.mllm.load import load_mllm
from caig.mllm.sight import label_pictures, warm_tower
from caig.mllm.training_run import pretrain_run
from caig.runs.catalog import list_runs
from caig.runs.store import Run

RECIPE = PretrainConfig.model_validate(
    {
        "tiny": SMALL.model_dump(),
        "tasks": {"place_weight": 3.0},
        "sight": {"examples": 320, "batch_size": 16},
        "describe": {"examples": 64, "batch_size": 16},
        "mix": {"examples": 96, "batch_size": 16, "tower_rate": 0.1, "checkpoint_every": 1},
        "validation": {"products": 3, "pictures": 6, "max_new_tokens": 6},
    }
)
WEIGHTS = "checkpoint/model.safetensors"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """One run from the command line."""
    root = tmp_path_factory.mktemp("pretraining")
    shop = write_shop(root / "runs")
    (root / "recipe.toml").write_text(to_toml(RECIPE))
    words = [shop.run_id, "--config", str(root / "recipe.toml"), "--runs", str(root / "runs")]
    assert cli.run(["pretrain", *words]) == 0
    return Run.open(list_runs(root / "runs", verb="pretrain")[0].path)


def test_the_run_holds_a_checkpoint_with_its_card(done):
    assert done.problems() == []
    names = {name for name in done.manifest.artifacts if name.startswith("checkpoint/")}
    assert {WEIGHTS, "checkpoint/config.json", "checkpoint/README.md"} <= names
    assert not any(name.endswith((".bin", ".pt", ".pth")) for name in names)
    mllm = load_mllm(RECIPE.model.model_copy(update={"base": str(done.path / "checkpoint")}))
    assert type(mllm.model).__name__ == "LlavaForConditionalGeneration"
    card = done.file("checkpoint/README.md").read_text()
    assert f"{sum(p.numel() for p in mllm.model.parameters()):,} weights" in card
    assert f"| place_seen | {done.manifest.metrics['place_seen']:.3f} |" in card
    assert "its tables of truth" not in card  # this shop holds none
    assert done.manifest.inputs["data"].run_id in card


def test_the_run_tells_its_figures_and_its_steps(done):
    metrics = done.manifest.metrics
    assert {"sight_place_accuracy", "matching", "valid", "place_seen", "matching_sampled"} <= set(
        metrics
    )
    steps = [json.loads(line) for line in done.file("training_steps").read_text().splitlines()]
    assert {line["stage"] for line in steps} == {"sight", "describe", "mix"}
    assert max(line["step"] for line in steps if line["stage"] == "mix") == 6
    events = [json.loads(line)["event"] for line in done.file("log").read_text().splitlines()]
    assert events[-2:] == ["figures", "finished"]
    prompts = done.file("validation_prompts").read_text().splitlines()
    assert len(prompts) == 2 * 3
    assert not (done.path / "work").exists()


def test_the_same_task_gives_the_same_bits(done, tmp_path):
    data = Run.open(done.path.parent / done.manifest.inputs["data"].run_id)
    again = Run.open(pretrain_run(data, RECIPE, runs=tmp_path))
    assert again.manifest.artifacts[WEIGHTS].sha256 == done.manifest.artifacts[WEIGHTS].sha256
    assert again.manifest.metrics == done.manifest.metrics
    other = RECIPE.model_copy(update={"seed": 1})
    third = Run.open(pretrain_run(data, other, runs=tmp_path))
    assert third.manifest.artifacts[WEIGHTS].sha256 != done.manifest.artifacts[WEIGHTS].sha256


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["sight", "describe", "mix"])
def test_a_run_killed_in_any_stage_goes_on_to_the_same_end(done, tmp_path, stage):
    runs = done.path.parent
    data = done.manifest.inputs["data"].run_id
    (tmp_path / "recipe.toml").write_text(to_toml(RECIPE))
    command = [sys.executable, "-m", "caig", "pretrain", data, "--runs", str(runs)]
    command += ["--config", str(tmp_path / "recipe.toml")]
    before = {entry.path for entry in list_runs(runs)}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        killed = _wait_for_stage(runs, before, stage, process)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not (killed / "manifest.json").exists()
    subprocess.run([*command, "--resume", killed.name], check=True, capture_output=True)
    ended = Run.open(list_runs(runs, verb="pretrain")[0].path)
    assert ended.path not in before | {killed}
    assert ended.manifest.artifacts[WEIGHTS].sha256 == done.manifest.artifacts[WEIGHTS].sha256
    assert ended.manifest.metrics == done.manifest.metrics
    steps = ended.file("training_steps").read_text()
    assert steps.count('"stage": "sight"') == done.file("training_steps").read_text().count(
        '"stage": "sight"'
    )


def _wait_for_stage(runs, before, stage, process):
    """Folder of the new run once the stage has begun to tell of its steps."""
    for _ in range(1800):
        assert process.poll() is None, "ended before it could be killed"
        for path in {entry.path for entry in list_runs(runs)} - before:
            steps = path / "work" / "steps.jsonl"
            if steps.is_file() and f'"{stage}"' in steps.read_text():
                return path
        time.sleep(0.1)
    raise AssertionError("the stage never began")


def test_going_on_needs_the_same_task(done, tmp_path):
    data = Run.open(done.path.parent / done.manifest.inputs["data"].run_id)
    with pytest.raises(ArtifactError, match="is complete"):
        pretrain_run(data, RECIPE, runs=tmp_path, resume=str(done.path))
    with pytest.raises(ArtifactError, match="no such run"):
        pretrain_run(data, RECIPE, runs=tmp_path, resume="none")
    (tmp_path / "begun" / "work").mkdir(parents=True)
    with pytest.raises(ArtifactError, match="begin anew"):
        pretrain_run(data, RECIPE, runs=tmp_path, resume="begun")
    (tmp_path / "begun" / "work" / "task.json").write_text('{"config": {}, "data": "x"}')
    with pytest.raises(ArtifactError, match=r"config, data, examples differ"):
        pretrain_run(data, RECIPE, runs=tmp_path, resume="begun")
    assert (tmp_path / "begun" / "work" / "task.json").exists()


def test_own_examples_alone_and_beside_a_shop(done, tmp_path):
    own = [{"turns": ["Which place suits it?"], "answer": f"{p}, day"} for p in ("bar", "pier")]
    file = tmp_path / "own.jsonl"
    file.write_text("".join(json.dumps(entry) + "\n" for entry in own * 20))
    changed = {"sight": {"examples": 0}, "describe": {"examples": 0}}
    alone = PretrainConfig.model_validate({**RECIPE.model_dump(), **changed})
    run = Run.open(pretrain_run(None, alone, runs=tmp_path / "a", examples=file))
    assert run.manifest.files[0].path == str(file)
    assert "matching" not in run.manifest.metrics
    assert "own" in run.file("checkpoint/README.md").read_text()
    data = Run.open(done.path.parent / done.manifest.inputs["data"].run_id)
    both = Run.open(pretrain_run(data, RECIPE, runs=tmp_path / "b", examples=file))
    assert both.manifest.artifacts[WEIGHTS].sha256 != done.manifest.artifacts[WEIGHTS].sha256


def test_a_checkpoint_is_trained_further(done, tmp_path):
    data = Run.open(done.path.parent / done.manifest.inputs["data"].run_id)
    further = RECIPE.model_dump() | {"model": {"base": str(done.path / "checkpoint")}}
    further |= {"sight": {"examples": 0}, "describe": {"examples": 0}}
    further["mix"] |= {"lora_rank": 4, "examples": 16}
    run = Run.open(pretrain_run(data, PretrainConfig.model_validate(further), runs=tmp_path))
    before, after = (load_file(r.file(WEIGHTS)) for r in (done, run))
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert not any("vision_tower" in name for name in moved)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model": {"base": "x"}}, ConfigError, "sight.examples must be 0 for x"),
        (
            {stage: {"examples": 0} for stage in ("sight", "describe", "mix")},
            ConfigError,
            "nothing would be learnt",
        ),
        ({"tasks": {"min_scene_share": 1.0}}, CaigError, "leave none of 36 ads"),
    ],
)
def test_what_cannot_work_is_said_at_once(shop, tmp_path, changes, error, message):
    config = PretrainConfig.model_validate({**RECIPE.model_dump(), **changes})
    with pytest.raises(error, match=message):
        pretrain_run(shop, config, runs=tmp_path)


def test_without_data_there_is_nothing_to_learn(tmp_path, capsys):
    assert cli.run(["pretrain", "--runs", str(tmp_path)]) == 2
    assert "name a data run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"compose": 1.0}, "no task 'compose'; there are product, "),
        ({"create": 0.0}, "at least one task"),
        ({"create": 1.0, "place": -1.0}, "below 0"),
    ],
)
def test_wrong_shares_of_tasks_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        PretrainConfig.model_validate({"mix": {"examples": 1, "weights": weights}})


def test_the_recipes_are_read(repository):
    from caig.config import load_config

    for name in ("tiny", "paper"):
        config = load_config(PretrainConfig, repository / "configs" / "mllm" / f"{name}.toml")
        assert config.mix.examples > 0


def test_the_tower_learns_to_tell_places(tiny, corpus):
    from caig.mllm.config import SightConfig

    heard = []
    stage = SightConfig(examples=1600, batch_size=32, learning_rate=3e-3)
    found = warm_tower(
        tiny,
        corpus.of_split("train"),
        stage,
        side=None,
        seed=0,
        report=lambda *told: heard.append(told),
        validation=corpus.of_split("val"),
    )
    assert found["place_accuracy"] == 1.0
    assert heard[-1][:2] == (50, 50)
    assert heard[-1][2]["loss"] < heard[0][2]["loss"]


def test_pictures_are_labelled_by_what_a_shop_knows(tiny, corpus):
    train = corpus.of_split("train")
    labelled = label_pictures(corpus.of_split("val"), train, tiny, side=None)
    assert labelled.pixels.shape == (15, 3, 32, 32)
    assert (labelled.place == -100).sum() == 3  # cut-outs show no place
    assert sorted(KINDS) == ["Balls", "Lamps", "Mugs"]
    assert labelled.category.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert labelled.phrases.sum(dim=1).tolist() == [0, 2, 2, 2, 2] * 3
