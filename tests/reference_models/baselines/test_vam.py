"""VAM: its loss against numpy, what is published of its architecture, and that it learns."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.special import log_softmax, softmax
from transformers import ResNetConfig, ResNetForImageClassification

from reference_models.item_lists import item_lists, list_metrics
from reference_models.pictures import read_ads
from reference_models.vam import VamConfig
from reference_models.vam_net import EpochOfLists, VamNet, list_loss, score_pictures, train_vam

TINY = {
    "backbone": "scratch",
    "widths": (4, 8),
    "depths": (1, 1),
    "resize": 20,
    "crop": 16,
    "batch_items": 4,
    "epochs": 2,
}
SCALES = {"rank_scale": 1000.0, "point_scale": 100.0, "point_weight": 0.5}


def loss(scores, ctr, filled, *, masked=False):
    tensors = (torch.tensor(x) for x in (scores, ctr, filled))
    return list_loss(*tensors, masked=masked, **SCALES).item()


def test_the_loss_is_the_published_formula():
    rng = np.random.default_rng(0)
    scores, ctr = rng.normal(size=(5, 3)), 0.03 + 0.002 * rng.normal(size=(5, 3))
    rank = -(softmax(1000 * ctr, axis=1) * log_softmax(scores, axis=1)).sum(axis=1).mean()
    expected = rank + 0.5 * ((scores - 100 * ctr) ** 2).mean()
    assert loss(scores, ctr, np.ones((5, 3), bool)) == pytest.approx(expected)


def test_an_empty_slot_enters_the_softmax_or_is_masked():
    scores, ctr = np.array([[1.0, 2.0, 5.0]]), np.array([[0.03, 0.031, 0.0]])
    filled = np.array([[True, True, False]])
    target = softmax(1000 * ctr[0, :2])
    point = 0.5 * ((scores - 100 * ctr)[0, :2] ** 2).mean()
    black = point - (target * log_softmax(scores[0])[:2]).sum()
    masked = point - (target * log_softmax(scores[0, :2])).sum()
    assert loss(scores, ctr, filled) == pytest.approx(black)
    assert loss(scores, ctr, filled, masked=True) == pytest.approx(masked)
    assert black > masked + 2  # the empty slot's 5.0 takes its share


def test_the_published_shape_is_resnet_18_with_ten_outputs():
    config = VamConfig(backbone="scratch")
    net = VamNet(config, pretrained=True)
    assert net.head.weight.shape == (10, 512)
    # ResNet-18 without its classifier has 11,176,512 weights.
    assert sum(p.numel() for p in net.body.parameters()) == 11_176_512
    pixels = torch.zeros(2, 3, 64, 64)
    assert torch.equal(net.eval()(pixels), net.features(pixels).mean(dim=1))


def test_the_head_starts_as_the_first_rows_of_the_classifier(tmp_path):
    shape = ResNetConfig(
        embedding_size=4, hidden_sizes=[4, 8], depths=[1, 1], layer_type="basic", num_labels=12
    )
    whole = ResNetForImageClassification(shape)
    whole.save_pretrained(tmp_path)
    net = VamNet(VamConfig(backbone=str(tmp_path)), pretrained=True)
    assert torch.equal(net.head.weight, whole.classifier[1].weight[:10])
    assert torch.equal(net.head.bias, whole.classifier[1].bias[:10])
    pixels = torch.randn(2, 3, 32, 32)
    expected = whole.eval()(pixels).logits[:, :10].mean(dim=1)
    assert torch.allclose(net.eval()(pixels), expected)
    again = VamNet(VamConfig(backbone=str(tmp_path)), pretrained=False)
    again.load_state_dict(net.state_dict())


def test_the_published_values():
    config = VamConfig()
    assert (config.resize, config.crop, config.list_length) == (256, 224, 3)
    assert (config.lr, config.momentum, config.lr_every, config.lr_factor) == (0.01, 0.9, 10, 0.1)
    assert (config.epochs, config.keep, config.min_impressions) == (30, 2, 60)
    assert config.prior == pytest.approx((2.0402, 56.1027))


def test_settings_that_do_not_fit():
    with pytest.raises(ValidationError, match=r"crop \(224\) is larger than resize \(100\)"):
        VamConfig(resize=100)
    with pytest.raises(ValidationError, match="equally long"):
        VamConfig(depths=(1, 1))


@pytest.fixture
def lists(world):
    ads, counts = read_ads(world.data.path), world.data.table("creative_counts")
    return item_lists(ads, counts, min_impressions=1)


def test_scores_do_not_depend_on_the_batch(lists):
    torch.manual_seed(0)
    config = VamConfig(**TINY)
    net, paths = VamNet(config, pretrained=True), lists.ads["path"].to_list()
    one = score_pictures(net, paths, config.model_copy(update={"score_batch": 1}))
    eight = score_pictures(net, paths, config.model_copy(update={"score_batch": 8}))
    assert one == pytest.approx(eight, abs=1e-6)


def train(lists, state, **settings):
    config = VamConfig(**TINY | settings)
    net, fitted, metrics = train_vam(
        config, lists, lists, state=state, identity={}, tell=lambda _: None
    )
    return net, fitted, metrics, config


def test_it_learns_that_brighter_ads_are_clicked_more(lists, tmp_path):
    settings = {"epochs": 12, "lr": 0.05, "keep": "pair_accuracy", "list_length": 4}
    net, fitted, metrics, config = train(lists, tmp_path, **settings)
    assert metrics.pair_accuracy > 0.9
    assert metrics == pytest.approx(
        list_metrics(lists, score_pictures(net, lists.ads["path"].to_list(), config))
    )
    assert fitted.kept.metrics["pair_accuracy"] == metrics.pair_accuracy
    assert len(fitted.history) == 12


def test_what_is_drawn_depends_on_seed_epoch_and_item_alone(lists):
    config = VamConfig(**TINY)
    ctr = config.prior.smoothed(*(lists.ads[c].to_numpy() for c in ("n_clicks", "n_impressions")))

    def drawn(epoch, places, **settings):
        of = EpochOfLists(lists, ctr, config.model_copy(update=settings), epoch=epoch)
        return {place: of[place] for place in places}

    forward, backward = drawn(1, range(len(lists.starts) - 1)), drawn(1, [7, 3, 0])
    for place, parts in backward.items():  # as several workers would, in any order
        assert all(torch.equal(*both) for both in zip(parts, forward[place], strict=True))
    for other in (drawn(2, [0]), drawn(1, [0], seed=1)):
        assert not torch.equal(other[0][0], forward[0][0])
