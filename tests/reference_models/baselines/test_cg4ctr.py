"""CG4CTR: published shape and loss, the tokens' vectors, and the picture encoder's training."""

import json

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError
from scipy.special import log_softmax, softmax
from torch import nn
from transformers import BertConfig, BertModel, BertTokenizerFast

from caig.errors import DataError
from reference_models.baseline_runs import data_of
from reference_models.cg4ctr import Cg4ctrConfig, SwinConfig, read_captions
from reference_models.cg4ctr_net import MixerNet, list_loss, token_vectors, train_cg4ctr
from reference_models.swin_net import build_swin, category_labels, picture_vectors
from reference_models.text_vectors_net import TextEncoder

SWIN = {
    "name": "scratch",
    "size": 16,
    "patch": 4,
    "width": 8,
    "depths": (1, 1),
    "heads": (1, 2),
    "window": 2,
    "domain_epochs": 2,
    "domain_batch": 16,
    "domain_lr": 1e-3,
}
TINY = {"image": SWIN, "hidden": (16, 8), "feedforward": 16, "batch_items": 4, "epochs": 2}


def test_the_published_shape():
    net = MixerNet(Cg4ctrConfig(), {"image": 1024, "title": 1024, "caption": 768})
    assert net.tokens["image"][0].weight.shape == (512, 1024)
    assert net.tokens["caption"][4].weight.shape == (256, 512)
    assert (len(net.mixer.layers), net.mixer.layers[0].self_attn.num_heads) == (4, 4)
    assert [layer.weight.shape for layer in net.head if isinstance(layer, nn.Linear)] == [
        (128, 768),
        (10, 128),
    ]
    vectors = {"image": torch.randn(5, 1024), "title": torch.randn(5, 1024)}
    vectors["caption"] = torch.randn(5, 768)
    scores = net.eval()(vectors)
    assert scores.shape == (5,)
    assert bool((scores >= 0).all())  # a ReLU comes last


def test_the_loss_is_the_published_formula_and_empty_slots_count_nowhere():
    rng = np.random.default_rng(0)
    scores, ctr = rng.normal(size=(4, 3)), 0.03 + 0.002 * rng.normal(size=(4, 3))
    filled = np.ones((4, 3), bool)
    rank = -(softmax(1000 * ctr, axis=1) * log_softmax(scores, axis=1)).sum(axis=1).mean()
    expected = 0.9 * rank + 0.1 * ((scores - 100 * ctr) ** 2).mean()
    tensors = (torch.tensor(x) for x in (scores, ctr, filled))
    assert list_loss(*tensors, Cg4ctrConfig()).item() == pytest.approx(expected)
    wide = [
        np.concatenate([x, np.full((4, 2), fill)], axis=1)
        for x, fill in ((scores, 50.0), (ctr, 0.5), (filled, False))
    ]
    tensors = (torch.tensor(x) for x in wide)
    assert list_loss(*tensors, Cg4ctrConfig()).item() == pytest.approx(expected)


def test_the_published_values():
    config = Cg4ctrConfig()
    assert (config.rank_weight, config.point_weight, config.lr) == (0.9, 0.1, 5e-4)
    assert (config.batch_items, config.epochs, config.list_length) == (2048, 30, 15)
    assert (config.min_impressions, config.outputs) == (10, (128, 10))
    assert config.tokens == ("image", "title")
    with pytest.raises(ValidationError, match="must be a multiple of heads"):
        Cg4ctrConfig(hidden=(8, 6))


def test_levels_of_categories():
    labels, sizes = category_labels(["A > X > Q", "A > Y", "B > Other", "A > Other", None])
    assert sizes == [2, 4, 1]
    assert labels[:, 0].tolist() == [0, 0, 1, 0, -100]
    assert len(set(labels[:4, 1])) == 4  # Other of A is not Other of B
    assert labels[:, 2].tolist() == [0, -100, -100, -100, -100]


@pytest.fixture
def ads(world):
    return data_of(world.data).ads


def test_the_items_vector_is_the_mean_of_all_its_ads(ads):
    config = Cg4ctrConfig(**TINY)
    swin = build_swin(config.image, pretrained=True).eval()
    shuffled = ads.sample(fraction=1, shuffle=True, seed=3)
    vectors = token_vectors(config, swin, shuffled)
    rows = np.flatnonzero(shuffled["product_id"].to_numpy() == "p5")
    assert len(rows) == 4
    mean = vectors["image"][rows].mean(dim=0)
    for row in rows:
        assert torch.allclose(vectors["title"][row], mean, atol=1e-6)
    one = picture_vectors(swin, shuffled["path"].to_list()[:9], batch=1)
    assert torch.allclose(one, vectors["image"][:9], atol=1e-5)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A BERT of a few words, on disk."""
    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "lamp", "mug", "red", "beach", "wood"]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab={word: i for i, word in enumerate(words)}).save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(words),
            hidden_size=12,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=16,
        )
    ).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("pooling", ["first", "attention"])
def test_texts_are_pooled_as_published_whatever_the_batch(bert, pooling):
    texts = ["red lamp", "mug", "lamp on a red beach of wood"]
    encoder = TextEncoder(bert, pooling=pooling)
    together, alone = encoder.vectors(texts, batch=3), encoder.vectors(texts, batch=1)
    assert torch.allclose(together, alone, atol=1e-5)
    assert together.shape == (3, encoder.width) == (3, 12)
    tokens = encoder._tokenizer(texts[1], return_tensors="pt")
    with torch.inference_mode():
        done = encoder._model(**tokens, output_attentions=True)
    states = done.last_hidden_state[0]
    weights = done.attentions[-1][0].mean(dim=0)[0]
    expected = states[0] if pooling == "first" else weights @ states
    assert torch.allclose(together[1], expected, atol=1e-5)


def test_titles_and_captions_become_tokens(ads, bert, tmp_path):
    file = tmp_path / "captions.jsonl"
    lines = [{"creative_id": f"{n}.png", "prompt_creative": "red lamp"} for n in ads["creative_id"]]
    file.write_text("\n".join(json.dumps(line) for line in lines))
    config = Cg4ctrConfig(
        **TINY, title="title", title_encoder=bert, captions=str(file), caption_encoder=bert
    )
    swin = build_swin(config.image, pretrained=True).eval()
    vectors = token_vectors(config, swin, ads)
    assert {name: value.shape[1] for name, value in vectors.items()} == {
        "image": 16,
        "title": 12,
        "caption": 12,
    }
    with pytest.raises(DataError, match="48 ads have no title; set title to 'item_images'"):
        token_vectors(config, swin, ads.with_columns(title=pl.lit(None, pl.String)))


def test_captions_that_are_missing(tmp_path):
    file = tmp_path / "c.jsonl"
    with pytest.raises(DataError, match="no such file of captions"):
        read_captions(file, ["a"])
    file.write_text('{"creative_id": "a.png", "prompt_creative": "x"}\n')
    assert read_captions(file, ["a"]) == ["x"]
    with pytest.raises(DataError, match="1 ads have no caption"):
        read_captions(file, ["a", "b"])
    file.write_text('{"creative": "a"}\n')
    with pytest.raises(DataError, match="creative_id"):
        read_captions(file, ["a"])


def test_the_domain_training_learns_to_paint_and_to_name(world, tmp_path):
    told = []
    config = Cg4ctrConfig(**TINY, **{"keep": "last"}).model_copy(
        update={"image": SwinConfig(**SWIN | {"domain_epochs": 12, "domain_lr": 3e-3})}
    )
    trained = train_cg4ctr(
        config,
        data_of(world.data),
        state=tmp_path,
        identity={},
        tell=lambda _: None,
        note=lambda event, **figures: told.append(figures),
    )
    assert [figures["epoch"] for figures in told] == list(range(1, 13))
    assert told[-1]["painting"] < 0.7 * told[0]["painting"]
    assert trained.model.net.training is False
    assert trained.prior.clicks > 0


def test_it_learns_that_brighter_ads_are_clicked_more(world, tmp_path):
    settings = TINY | {"epochs": 40, "lr": 3e-3, "keep": "pair_accuracy", "batch_items": 3}
    trained = train_cg4ctr(
        Cg4ctrConfig(**settings),
        data_of(world.data),
        state=tmp_path,
        identity={},
        tell=lambda _: None,
        note=lambda *_, **__: None,
    )
    assert trained.metrics.n_pairs == 3 * 6
    assert trained.metrics.pair_accuracy > 0.85
