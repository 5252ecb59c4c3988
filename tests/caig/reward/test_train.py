"""Training: it learns, and what must not matter does not."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import reward_training
import torch
from reward_training import tiny_config, train_on

from caig.errors import ArtifactError
from caig.reward.config import RewardConfig
from caig.reward.train import STATE, learning_rate


def with_dropout(config: RewardConfig) -> RewardConfig:
    return config.model_copy(update={"model": config.model.model_copy(update={"dropout": 0.1})})


def losses_of(progress) -> list[list[float]]:
    return [[row[name] for name in ("pair", "point", "kind")] for row in progress.history]


@pytest.mark.parametrize(
    "target",
    ["hard", "posterior", "share"],
)
def test_it_learns_a_taste_that_depends_on_the_kind(shop, target):
    config = tiny_config(epochs=30, title_drop=0.0, word_drop=0.0)
    loss = config.loss.model_copy(update={"pair_target": target, "pair": 5.0})
    model, progress = train_on(*shop, config.model_copy(update={"loss": loss}))
    assert progress.best_accuracy == 1.0
    assert progress.history[-1]["point"] < progress.history[0]["point"]
    assert model.config.kinds == ["Mugs", "Tents"]


def test_the_best_epoch_is_kept_and_patience_ends_training(shop):
    config = tiny_config(epochs=40, patience=3, learning_rate=0.02)
    _, progress = train_on(*shop, config)
    assert len(progress.history) == progress.best_epoch + 3 < 40
    best = max(row["val_accuracy"] for row in progress.history)
    assert progress.best_accuracy == best
    assert progress.history[progress.best_epoch - 1]["val_accuracy"] == best


def test_micro_batches_add_up_to_the_same_losses_and_weights(shop):
    whole, progress = train_on(*shop, tiny_config())
    parts, in_parts = train_on(*shop, tiny_config(micro_batches=3))
    torch.testing.assert_close(losses_of(in_parts), losses_of(progress), atol=1e-5, rtol=1e-5)
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], weight, atol=1e-4, rtol=1e-3)


def test_the_best_epoch_is_kept_where_the_point_loss_alone_learns_the_order(shop):
    config = tiny_config(epochs=25, learning_rate=0.02)
    loss = config.loss.model_copy(update={"pair": 0.0, "point": 1.0})
    _, progress = train_on(*shop, config.model_copy(update={"loss": loss}))
    judged = [row["val_accuracy"] for row in progress.history]
    assert progress.best_accuracy == max(judged)
    assert progress.best_epoch == 1 + judged.index(max(judged))


def test_epochs_of_a_warm_start_are_not_judged_by_an_order_they_do_not_learn(shop):
    config = tiny_config(epochs=3)
    loss = config.loss.model_copy(update={"buckets": 3, "bucket_epochs": 2})
    _, progress = train_on(*shop, config.model_copy(update={"loss": loss}))
    assert ["val_accuracy" in row for row in progress.history] == [False, False, True]
    assert progress.best_epoch == 3


def test_moving_average_is_what_is_kept(shop):
    plain, _ = train_on(*shop, tiny_config(epochs=1))
    slow, _ = train_on(*shop, tiny_config(epochs=1, ema_decay=0.999))
    moved = [
        (slow.state_dict()[name] - weight).abs().max()
        for name, weight in plain.state_dict().items()
    ]
    assert max(moved) > 1e-4


def test_warm_start_learns_buckets_first_and_nothing_else(shop):
    config = tiny_config(epochs=6)
    loss = config.loss.model_copy(update={"buckets": 3, "bucket_epochs": 6})
    model, progress = train_on(*shop, config.model_copy(update={"loss": loss}))
    assert progress.history[-1]["bucket"] < progress.history[0]["bucket"]
    assert model.taste.abs().max() == 0  # no gradient reached it


@pytest.mark.parametrize(
    "options",
    [{}, {"ema_decay": 0.9, "micro_batches": 2}],
)
def test_resumed_run_ends_with_the_same_weights_bit_for_bit(shop, tmp_path, options):
    config = with_dropout(tiny_config(epochs=3, save_every=1, **options))
    straight, _ = train_on(*shop, config)

    class _KilledError(Exception):
        pass

    def kill(step: int, total: int) -> None:
        if step == 4:
            raise _KilledError

    with pytest.raises(_KilledError):
        train_on(*shop, config, folder=tmp_path, advance=kill)
    resumed, progress = train_on(*shop, config, resume=tmp_path / STATE)
    assert [row["epoch"] for row in progress.history] == [1, 2, 3]
    for name, weight in straight.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], weight), name


def test_killed_process_resumes_to_the_same_weights(shop, tmp_path):
    config = with_dropout(tiny_config(epochs=4, save_every=1))
    straight, _ = train_on(*shop, config)
    program = subprocess.Popen(
        [*_program(shop, config, tmp_path)], stdout=subprocess.PIPE, text=True, env=_environment()
    )
    assert program.stdout is not None
    with program.stdout:
        for line in program.stdout:
            if int(line) >= 3:
                break
        os.kill(program.pid, signal.SIGKILL)
    assert program.wait() == -signal.SIGKILL
    assert not (tmp_path / "model.pt").exists()
    resumed, _ = train_on(*shop, config, resume=tmp_path / STATE)
    for name, weight in straight.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], weight), name


def test_state_of_another_configuration_or_none_is_refused(shop, tmp_path):
    train_on(*shop, tiny_config(epochs=1), folder=tmp_path)
    with pytest.raises(ArtifactError, match="another configuration"):
        train_on(*shop, tiny_config(epochs=2), resume=tmp_path / STATE)
    data, pairs = shop
    fewer = SimpleNamespace(table=lambda name: pairs.table(name)[1:])
    with pytest.raises(ArtifactError, match="other pairs"):
        train_on(data, fewer, tiny_config(epochs=1), resume=tmp_path / STATE)
    with pytest.raises(ArtifactError, match="no state to resume from"):
        train_on(*shop, tiny_config(), resume=tmp_path / "nothing.pt")


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(shop, tmp_path):
    config = tiny_config(products_per_step=3)  # the last step has 2: one for each process
    alone, progress = train_on(*shop, config)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ranks = [
        subprocess.Popen(
            _program(shop, config, tmp_path),
            stdout=subprocess.DEVNULL,
            env=_environment(
                ACCELERATE_USE_CPU="true",
                MASTER_ADDR="127.0.0.1",
                MASTER_PORT=str(port),
                WORLD_SIZE="2",
                LOCAL_WORLD_SIZE="2",
                RANK=str(rank),
                LOCAL_RANK=str(rank),
            ),
        )
        for rank in range(2)
    ]
    assert [rank.wait(timeout=300) for rank in ranks] == [0, 0]
    history = json.loads((tmp_path / "history.json").read_text())
    for row, expected in zip(history, progress.history, strict=True):
        assert row == pytest.approx(expected, rel=1e-4)
    together = torch.load(tmp_path / "model.pt", weights_only=True)
    for name, weight in alone.state_dict().items():
        torch.testing.assert_close(together[name], weight, atol=1e-4, rtol=1e-3)


def test_learning_rate_rises_then_falls_to_nothing():
    settings = tiny_config(warmup_share=0.1, learning_rate=1.0).train
    rates = [learning_rate(step, 100, settings) for step in range(101)]
    assert rates[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0)


def _program(shop, config: RewardConfig, folder: Path) -> list[str]:
    data, pairs = shop
    file = reward_training.__file__
    return [
        sys.executable,
        file,
        str(data.path),
        str(pairs.path),
        config.model_dump_json(),
        str(folder),
    ]


def _environment(**more: str) -> dict[str, str]:
    root = str(Path(__file__).parents[3])
    return os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"} | more
