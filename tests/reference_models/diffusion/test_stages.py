import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from caig.errors import ArtifactError
from reference_models.diffusion.stages_net import Stage, draws, train


class KilledError(Exception):
    """Stands for the end of the process."""


def stage(*, steps=40, dies_at=None):
    torch.manual_seed(0)
    net = nn.Linear(3, 1)

    def loss(step, draws):
        if step == dies_at:
            raise KilledError
        inputs = torch.randn(8, 3, generator=draws.torch)
        wanted = inputs.sum(1, keepdim=True) + float(draws.numpy.normal())
        return (net(inputs) - wanted).square().mean()

    return net, Stage("toy", {"net": net}, loss, steps, 0.05, 0.9)


def run(found, folder, *, identity=None, **options):
    lines = []
    options = {"save_every_s": 0, **options}
    train(found, seed=1, folder=folder, identity=identity or {"a": 1}, tell=lines.append, **options)
    return lines


def test_killed_and_gone_on_from_ends_as_if_never_killed(tmp_path):
    whole, straight = tmp_path / "cut", tmp_path / "straight"
    whole.mkdir()
    straight.mkdir()
    wanted, never = stage()
    run(never, straight)
    _, dying = stage(dies_at=17)
    with pytest.raises(KilledError):
        run(dying, whole)
    net, rest = stage()
    lines = run(rest, whole)
    assert lines[0] == "toy: goes on from step 17 of 40"
    for name, value in wanted.state_dict().items():
        assert torch.equal(net.state_dict()[name], value), name
    states = [load_file(folder / "toy.safetensors") for folder in (whole, straight)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_it_learns_and_ends_with_averages(tmp_path):
    net, found = stage(steps=400)
    lines = run(found, tmp_path)
    assert lines[-1].startswith("toy: step 400, loss ")
    assert (net.weight - 1).abs().max() < 0.3


def test_a_finished_stage_may_be_lengthened(tmp_path):
    run(stage(steps=5)[1], tmp_path)
    assert run(stage(steps=9)[1], tmp_path)[0] == "toy: goes on from step 5 of 9"
    assert run(stage(steps=9)[1], tmp_path) == ["toy: goes on from step 9 of 9"]


def test_a_state_of_other_settings_is_refused(tmp_path):
    run(stage(steps=2)[1], tmp_path)
    with pytest.raises(ArtifactError, match="other settings") as caught:
        run(stage(steps=2)[1], tmp_path, identity={"a": 2})
    assert "toy.safetensors" in str(caught.value)


def test_looks_see_averages_and_change_nothing(tmp_path):
    for name in ("with", "without"):
        (tmp_path / name).mkdir()
    net, found = stage(steps=20)
    seen = []

    def look(step):
        assert not net.training
        seen.append((step, net.weight.detach().clone()))

    run(found, tmp_path / "with", look_every_s=0, look=look)
    plain, other = stage(steps=20)
    run(other, tmp_path / "without")
    assert [step for step, _ in seen] == list(range(1, 20))
    assert torch.equal(net.weight, plain.weight)


def test_every_step_draws_its_own():
    first = [draws(1, "toy", step).numpy.random() for step in range(3)]
    assert len(set(first)) == 3
    assert draws(1, "other", 0).numpy.random() != first[0]
    again = draws(1, "toy", 2)
    assert again.numpy.random() == first[2]
    np.testing.assert_array_equal(
        torch.randn(3, generator=draws(1, "toy", 2).torch).numpy(),
        torch.randn(3, generator=draws(1, "toy", 2).torch).numpy(),
    )
