"""The last layer: it is the minimum it claims to be, and finds what was planted."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from caig.reward.config import LossSection
from caig.reward.last_layer import RIDGES, Seen, objective, solve, solve_last_layer

N_KINDS, SIZE = 3, 5


def drawn(n_ads: int = 600, *, noise: float = 0.02, seed: int = 0) -> tuple[Seen, np.ndarray]:
    """Ads whose log-CTR is linear in what is seen, by kind; pairs of neighbours."""
    rng = np.random.default_rng(seed)
    basis = rng.random((n_ads, SIZE))
    of_pair = np.arange(n_ads) // 2
    kind = rng.integers(N_KINDS, size=n_ads)[of_pair]
    weight = rng.normal(size=SIZE) + rng.normal(size=(N_KINDS, SIZE))
    log_ctr = (weight[kind] * basis).sum(1) + noise * rng.normal(size=n_ads)
    left, right = np.arange(0, n_ads, 2), np.arange(1, n_ads, 2)
    share = 1 / (1 + np.exp(log_ctr[right] - log_ctr[left]))
    tensors = (basis, np.eye(N_KINDS)[kind], log_ctr, left, right, share)
    return Seen(*(torch.from_numpy(array) for array in tensors)), weight


def loss(**values) -> LossSection:
    return LossSection(pair=20.0, point=0.5, **values)


def test_without_noise_and_penalty_the_planted_weights_are_found():
    seen, weight = drawn(noise=0.0)
    layer = solve(seen, loss(), ridge=1e-9)
    np.testing.assert_allclose((layer.value + layer.taste).numpy(), weight, atol=0.02)
    assert float(layer.scale) == pytest.approx(1.0, abs=0.01)


def test_it_is_the_minimum_that_another_method_finds():
    seen, _ = drawn(200, noise=0.3)
    config, ridge = loss(), 1e-2
    spread = seen.basis.std(dim=0).numpy()
    basis, kind = (tensor.numpy() for tensor in (seen.basis, seen.kind))
    left, right, target = (tensor.numpy() for tensor in (seen.left, seen.right, seen.target))

    def total(flat: np.ndarray) -> float:
        value, taste = flat[:SIZE], flat[SIZE : SIZE * (1 + N_KINDS)].reshape(N_KINDS, SIZE)
        level, scale = flat[-N_KINDS - 1 : -1], flat[-1]
        score = ((value + kind @ taste) * basis).sum(1)
        margin = score[left] - score[right]
        pair = np.mean(np.logaddexp(0, margin) - target * margin)
        point = np.mean((scale * score + kind @ level - seen.log_ctr.numpy()) ** 2)
        squares = ((value * spread) ** 2).sum() + ((taste * spread) ** 2).sum()
        return 20.0 * pair + 0.5 * point + ridge * 20.5 * squares

    found = solve(seen, config, ridge=ridge)
    ours = np.concatenate([tensor.numpy().ravel() for tensor in found])
    start = np.r_[np.zeros(SIZE * (1 + N_KINDS) + N_KINDS), 1.0]
    theirs = minimize(total, start, method="BFGS", options={"maxiter": 2000})
    assert total(ours) == pytest.approx(theirs.fun, rel=1e-6)
    np.testing.assert_allclose(ours[:-N_KINDS], theirs.x[:-N_KINDS], atol=2e-3)


def test_the_minimum_does_not_depend_on_where_it_is_looked_for_from():
    seen, _ = drawn(noise=0.2)
    near = solve(seen, loss(), ridge=1e-2)
    far = solve(seen, loss(), ridge=1e-2, start=solve(seen, loss(), ridge=1e-5))
    for one, other in zip(near, far, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-2)


def test_a_stronger_penalty_makes_weights_smaller_and_fits_worse():
    seen, _ = drawn(noise=0.2)
    weak, strong = (solve(seen, loss(), ridge=ridge) for ridge in (1e-5, 1e-1))
    assert float((strong.taste**2).sum()) < float((weak.taste**2).sum()) / 2
    assert objective(strong, seen, loss()) > objective(weak, seen, loss())


def test_an_ad_that_was_never_clicked_counts_in_pairs_alone():
    seen, _ = drawn()
    log_ctr = seen.log_ctr.clone()
    log_ctr[0] = -torch.inf
    assert torch.isfinite(objective(solve(seen, loss(), ridge=1e-3), seen, loss()))
    layer = solve(seen._replace(log_ctr=log_ctr), loss(), ridge=1e-3)
    assert all(torch.isfinite(tensor).all() for tensor in layer)


def test_a_model_gets_the_layer_that_validation_pairs_choose(shop):
    from reward_training import ads_and_pairs, new_tiny_model, tiny_config

    config = tiny_config()
    model = new_tiny_model(*shop, config)
    training, validation = (ads_and_pairs(*shop, model, split) for split in ("train", "val"))
    before = model.value.weight.clone()
    assert solve_last_layer(model, training, validation, config.loss) in RIDGES
    assert not torch.equal(model.value.weight, before)
    nothing = ads_and_pairs(*shop, model, "none")
    assert solve_last_layer(model, training, nothing, config.loss) > 0


def test_what_a_model_likes_is_its_weights_in_units_of_log_ctr():
    from caig.reward.likes import likes_of
    from caig.reward.model import SiameseRewardConfig, SiameseRewardModel

    shape = {"widths": (16,), "look_size": 8, "image_size": 16, "log_ctr_sd": 0.5}
    kinds = ("Mugs", "Tents")
    model = SiameseRewardModel.from_scratch(
        SiameseRewardConfig(kinds=kinds, phrases=("beach", "night"), **shape)
    )
    with torch.no_grad():
        model.scale.fill_(4.0)
        model.value.weight.copy_(torch.tensor([[1.0, -1.0]]))
        model.taste.copy_(torch.tensor([[0.5, 0.0], [-0.5, 2.0]]))
    beach, night = likes_of(model)
    assert beach == ("beach", 2.0, 1.0, "Tents", 3.0, "Mugs")
    assert night == ("night", 0.0, -2.0, "Mugs", 2.0, "Tents")
    silent = SiameseRewardModel.from_scratch(SiameseRewardConfig(kinds=kinds, **shape))
    assert likes_of(silent) == []
