"""The loop: which epoch is kept, and that going on equals never having stopped."""

import numpy as np
import pytest
import torch
from torch import nn

from caig.errors import ArtifactError
from reference_models.training_net import fit


class StopError(Exception):
    """The plug is pulled."""


def problem(optimizer="sgd"):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    make = {
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        "adam": lambda p: torch.optim.Adam(p, lr=0.1),
    }
    return model, make[optimizer](model.parameters())


def batches(epoch):
    rng = np.random.default_rng(epoch)
    for _ in range(3):
        x = torch.from_numpy(rng.normal(size=(8, 3))).float()
        yield x, x.sum(dim=1, keepdim=True)


def run(state, *, epochs=6, optimizer="sgd", keep="last", stop_after=0, figures=(), identity=None):
    model, made = problem(optimizer)
    seen = []

    def tell(epoch):
        seen.append((epoch.epoch, made.param_groups[0]["lr"]))
        if epoch.epoch == stop_after:
            raise StopError

    count = iter(figures)
    fitted = fit(
        model,
        made,
        epochs=epochs,
        rate=lambda epoch: 0.1 / epoch,
        batches=batches,
        loss=lambda batch: (model(batch[0]) - batch[1]).square().mean(),
        validate=lambda: {"figure": next(count, 0.0)},
        keep=keep,
        state=state,
        identity=identity or {},
        tell=tell,
    )
    return model, fitted, seen


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_going_on_equals_never_having_stopped(tmp_path, optimizer):
    whole, fitted, _ = run(tmp_path / "whole", optimizer=optimizer)
    with pytest.raises(StopError):
        run(tmp_path / "broken", optimizer=optimizer, stop_after=4)
    resumed, again, seen = run(tmp_path / "broken", optimizer=optimizer)
    assert [epoch for epoch, _ in seen] == [5, 6]
    assert again.history == fitted.history
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_the_rate_is_each_epochs_own(tmp_path):
    _, _, seen = run(tmp_path, epochs=3)
    assert seen == [(1, 0.1), (2, 0.05), (3, pytest.approx(0.1 / 3))]


@pytest.mark.parametrize(("keep", "epoch"), [("figure", 2), ("last", 4), (3, 3), (9, 4)])
def test_the_kept_epochs_weights_are_in_the_model(tmp_path, keep, epoch):
    model, fitted, _ = run(tmp_path / "all", epochs=4, keep=keep, figures=[0.1, 0.9, 0.9, 0.2])
    assert fitted.kept.epoch == epoch
    shorter, _, _ = run(tmp_path / "short", epochs=epoch)
    for name, value in shorter.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_the_kept_epoch_outlives_a_stop(tmp_path):
    figures = [0.1, 0.9, 0.3, 0.2, 0.1]
    whole, fitted, _ = run(tmp_path / "a", epochs=5, keep="figure", figures=figures)
    with pytest.raises(StopError):
        run(tmp_path / "b", epochs=5, keep="figure", figures=figures, stop_after=4)
    resumed, again, _ = run(tmp_path / "b", epochs=5, keep="figure", figures=figures[4:])
    assert again == fitted
    assert all(torch.equal(v, resumed.state_dict()[n]) for n, v in whole.state_dict().items())


def test_only_what_is_needed_is_kept_and_no_pickle(tmp_path):
    run(tmp_path, epochs=5, keep="figure", figures=[0.1, 0.9, 0.3, 0.2, 0.1])
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "kept-2.safetensors",
        "model-5.safetensors",
        "optimizer-5.safetensors",
        "progress.json",
    ]


def test_another_training_is_refused(tmp_path):
    run(tmp_path, epochs=1, identity={"lr": 1, "seed": 0})
    with pytest.raises(ArtifactError, match="is of another training; these differ: seed"):
        run(tmp_path, epochs=2, identity={"lr": 1, "seed": 1})
