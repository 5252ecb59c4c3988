"""Two processes on a CPU (gloo) tune a model as one does."""

import json
import os
import subprocess
import sys

import pytest
from coloured_shop import SMALL, write_shop

from caig.config import to_toml
from caig.mllm.config import PretrainConfig
from caig.runs.catalog import list_runs
from caig.runs.store import Run

LAUNCH = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def pretrained(root, shop, batch_size, *launcher):
    recipe = PretrainConfig.model_validate(
        {
            "tiny": SMALL.model_dump(),
            "tasks": {"place_weight": 3.0},
            "sight": {"examples": 160, "batch_size": 16},
            "mix": {"examples": 96, "batch_size": batch_size, "tower_rate": 0.1},
            "validation": {"products": 3, "pictures": 3, "max_new_tokens": 6},
        }
    )
    file = root / f"{batch_size}.toml"
    file.write_text(to_toml(recipe))
    words = ["pretrain", shop.run_id, "--config", str(file), "--runs", str(root / "runs")]
    before = {entry.path for entry in list_runs(root / "runs")}
    done = subprocess.run(
        [sys.executable, *launcher, "-m", "caig", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (made,) = {entry.path for entry in list_runs(root / "runs")} - before
    return Run.open(made)


def losses(run):
    steps = [json.loads(line) for line in run.file("training_steps").read_text().splitlines()]
    return [step["loss"] for step in steps if step["stage"] == "mix" and "loss" in step]


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(tmp_path):
    shop = write_shop(tmp_path / "runs")
    alone = pretrained(tmp_path, shop, 16)
    two = pretrained(tmp_path, shop, 8, *LAUNCH)
    assert len(losses(alone)) == 6
    assert losses(two) == pytest.approx(losses(alone), rel=1e-4)
    assert two.manifest.metrics == pytest.approx(alone.manifest.metrics, rel=1e-3)
