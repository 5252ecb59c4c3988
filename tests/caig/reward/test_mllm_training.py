"""Training over a multimodal model, in both layouts: it learns; what must not matter does not."""

import json
import os
import socket
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import polars as pl
import pytest
import reward_training
import torch
from mllm_reward import mllm_config, save_base
from reward_training import train_on

from caig.errors import ArtifactError
from caig.reward import commands
from caig.reward.config import TrainSection
from caig.reward.dataset import Products, parts_of_step
from caig.reward.making import mllm_base
from caig.reward.train import STATE
from caig.reward.training_run import validation_pairs
from caig.runs.catalog import list_runs
from caig.runs.store import Run, RunWriter

LAYOUTS = ("siamese", "side_by_side")

EPOCHS = {"siamese": 40, "side_by_side": 120}
"""To know left from right is learnt first, and takes long."""


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return save_base(tmp_path_factory.mktemp("base") / "mllm")


def losses_of(progress):
    return [[row[name] for name in ("pair", "point")] for row in progress.history]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_learns_a_taste_that_depends_on_the_kind(shop, base, layout):
    config = mllm_config(
        base, layout, epochs=EPOCHS[layout], learning_rate=0.002, title_drop=0.0, word_drop=0.0
    )
    loss = config.loss.model_copy(update={"pair_target": "hard"})
    _, progress = train_on(*shop, config.model_copy(update={"loss": loss}))
    last = progress.history[-1]
    assert last["point"] < progress.history[0]["point"] / 2
    assert last["pair"] < 0.4  # log 2 is what not to know gives


@pytest.mark.parametrize("layout", LAYOUTS)
def test_micro_batches_add_up_to_the_same_losses_and_weights(shop, base, layout):
    whole, progress = train_on(
        *shop, mllm_config(base, layout, products_per_step=3, learning_rate=1e-4)
    )
    parts, in_parts = train_on(
        *shop, mllm_config(base, layout, products_per_step=3, micro_batches=3, learning_rate=1e-4)
    )
    torch.testing.assert_close(losses_of(in_parts), losses_of(progress), atol=1e-4, rtol=1e-4)
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], weight, atol=5e-4, rtol=1e-3)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_resumed_run_ends_with_the_same_weights_bit_for_bit(shop, base, tmp_path, layout):
    config = mllm_config(base, layout, save_every=1, ema_decay=0.9, pairs_per_product=2)
    straight, _ = train_on(*shop, config)

    class _KilledError(Exception):
        pass

    def kill(step: int, total: int) -> None:
        if step == 3:
            raise _KilledError

    with pytest.raises(_KilledError):
        train_on(*shop, config, folder=tmp_path, advance=kill)
    resumed, _ = train_on(*shop, config, resume=tmp_path / STATE)
    for name, weight in straight.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], weight), name


def test_few_pairs_of_a_product_are_drawn_where_pairs_are_dear():
    table = pl.DataFrame({"creative_id": ["a", "b", "c", "d"]})
    pairs = pl.DataFrame(
        [("p", *sides, 0.5) for sides in combinations("abcd", 2)],
        schema=["product_id", "left_id", "right_id", "p_left_better"],
        orient="row",
    )
    products = Products(pairs, table)
    seen = set()
    for step in range(40):
        few, whole = (
            parts_of_step(
                products, TrainSection(pairs_per_product=n), n_words=1, seed=0, step=step, parts=1
            )[0]
            for n in (2, 0)
        )
        assert (few.n_pairs, whole.n_pairs) == (2, 6)
        assert len(few.rows) == few.n_ads == len({*few.left, *few.right})
        seen |= {*zip(few.rows[few.left], few.rows[few.right], strict=True)}
        assert set(few.is_swapped) <= {True, False}
    assert len(seen) == 6


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_two_processes_have_the_losses_of_one(shop, base, tmp_path, layout):
    config = mllm_config(base, layout, products_per_step=3, learning_rate=1e-4)
    alone, progress = train_on(*shop, config)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = str(Path(__file__).parents[3])
    words = [str(shop[0].path), str(shop[1].path), config.model_dump_json(), str(tmp_path)]
    ranks = [
        subprocess.Popen(
            [sys.executable, reward_training.__file__, *words],
            stdout=subprocess.DEVNULL,
            env=os.environ
            | {
                "PYTHONPATH": root,
                "OMP_NUM_THREADS": "1",
                "ACCELERATE_USE_CPU": "true",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "WORLD_SIZE": "2",
                "LOCAL_WORLD_SIZE": "2",
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
            },
        )
        for rank in range(2)
    ]
    assert [rank.wait(timeout=300) for rank in ranks] == [0, 0]
    history = json.loads((tmp_path / "history.json").read_text())
    for row, expected in zip(history, progress.history, strict=True):
        assert row == pytest.approx(expected, rel=1e-3)
    together = torch.load(tmp_path / "model.pt", weights_only=True)
    for name, weight in alone.state_dict().items():
        torch.testing.assert_close(together[name], weight, atol=5e-4, rtol=1e-3)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_from_a_pretraining_run_to_scores(shop, base, layout):
    root = shop[0].path.parent
    with RunWriter(root, "pretrain", mllm_config(base)) as run:
        (run.path / "checkpoint").mkdir()
        for file in base.iterdir():
            (run.path / "checkpoint" / file.name).write_bytes(file.read_bytes())
            name = f"checkpoint/{file.name}"
            run.adopt_file(name, name, "application/octet-stream")
    pretrained = run.path.name
    chosen = (
        f'model.layout="{layout}"',
        f'model.mllm="run:{pretrained}"',
        "model.image_size=32",
        "train.epochs=1",
        "train.threads=1",
        "train.validation_products=1",
    )
    made = _made_by(root, "train-rm", lambda: commands.train(shop[1].path, set_=chosen, runs=root))
    assert made.manifest.inputs["mllm"].run_id == pretrained
    files = {"model.safetensors", "config.json", "README.md", "tokenizer.json"}
    assert {f"checkpoint/{name}" for name in files} <= set(made.manifest.artifacts)
    card = made.file("checkpoint/README.md").read_text()
    assert ("both ads at once" in card) is (layout == "side_by_side")
    assert f"run:{pretrained}" in card
    scorer = f"run:{made.run_id}"
    scored = _made_by(root, "score", lambda: commands.score(shop[1].path, scorer=scorer, runs=root))
    scores = scored.table("pair_scores")
    assert scores.height == 12
    assert set(scores["scorer"]) == {scorer}


def test_validation_products_are_drawn_once_and_whole(shop):
    pairs = shop[1].table("creative_pairs")
    whole, one = validation_pairs(pairs, 0), validation_pairs(pairs, 1)
    assert set(whole["split"]) == {"val"}
    assert one["product_id"].n_unique() == 1
    product = one["product_id"][0]
    assert one.equals(whole.filter(pl.col("product_id") == product))
    assert one.equals(validation_pairs(pairs, 1))


def test_a_run_without_a_language_model_is_named(shop):
    data = shop[0]
    with pytest.raises(ArtifactError, match="no checkpoint; make one: caig pretrain"):
        mllm_base(f"run:{data.run_id}", data.path.parent)
    assert mllm_base("", data.path.parent) is None
    assert mllm_base("some/hub-name", data.path.parent).run is None


def _made_by(runs, verb, do):
    before = {entry.run_id for entry in list_runs(runs, verb=verb)}
    do()
    (made,) = (e for e in list_runs(runs, verb=verb) if e.run_id not in before)
    return Run.open(made.path)
