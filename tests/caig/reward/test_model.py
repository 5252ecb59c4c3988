"""The model: what a score depends on, and that a checkpoint is the model."""

import pytest
import torch
from safetensors.torch import load_file
from transformers import CLIPVisionConfig, CLIPVisionModel

from caig.errors import ConfigError
from caig.reward.model import NAMED_KIND, SiameseRewardConfig, SiameseRewardModel

KINDS = ("Mugs", "Tents")
WORDS = ("blue", "red")


def small_model(**shape) -> SiameseRewardModel:
    torch.manual_seed(0)
    small = {"widths": (16, 32), "look_size": 8, "image_size": 16, "dropout": 0.0}
    model = SiameseRewardModel.from_scratch(
        SiameseRewardConfig(kinds=KINDS, vocabulary=WORDS, **small, **shape)
    )
    # Taste and title start out silent; a test of what they do needs them to speak.
    torch.nn.init.normal_(model.taste)
    torch.nn.init.normal_(model.level)
    torch.nn.init.normal_(model.kind_of_title.weight)
    return model.eval()


def pictures(n: int, side: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (n, 3, side, side), generator=generator, dtype=torch.uint8)


def titles(n: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.rand(n, len(KINDS) + len(WORDS), generator=generator)


def test_a_new_model_believes_a_title_that_names_a_kind():
    model = SiameseRewardModel.from_scratch(SiameseRewardConfig(kinds=KINDS, vocabulary=WORDS))
    weight = model.kind_of_title.weight.detach()
    assert torch.equal(weight[:, :2], NAMED_KIND * torch.eye(2))
    assert torch.equal(weight[:, 2:], torch.zeros(2, 2))


def test_batch_of_one_equals_batch_of_eight():
    model = small_model()
    pixels, features = pictures(8), titles(8)
    together = model(pixels, features)
    for i in range(8):
        alone = model(pixels[i : i + 1], features[i : i + 1])
        torch.testing.assert_close(alone.score[0], together.score[i], atol=1e-5, rtol=0)
        torch.testing.assert_close(alone.log_ctr[0], together.log_ctr[i], atol=1e-5, rtol=0)


def test_a_blind_model_does_not_read_titles_and_a_seeing_one_does():
    pixels = pictures(4)
    seeing, blind = small_model(), small_model(reads_title=False)
    assert torch.equal(blind(pixels, titles(4)).score, blind(pixels, 0 * titles(4)).score)
    assert not torch.allclose(seeing(pixels, titles(4)).score, seeing(pixels, 0 * titles(4)).score)


def test_a_hidden_product_changes_nothing():
    pixels = pictures(2)
    other = pixels.clone()
    other[:, :, 4:15, 3:13] = 255 - other[:, :, 4:15, 3:13]
    model = small_model(hides_product=True)
    assert torch.equal(model(pixels, titles(2)).score, model(other, titles(2)).score)
    assert not torch.equal(
        small_model()(pixels, titles(2)).score, small_model()(other, titles(2)).score
    )


def test_checkpoint_holds_the_model_exactly(tmp_path):
    model = small_model(buckets=3, phrases=("beach", "night"))
    model.config.order_scale = 2.5
    model.save_pretrained(tmp_path)
    again = SiameseRewardModel.from_pretrained(tmp_path).eval()
    assert again.config.order_scale == 2.5
    assert again.config.kinds == list(KINDS)
    before, after = model(pictures(3), titles(3)), again(pictures(3), titles(3))
    for name in ("score", "log_ctr", "kind_logits", "bucket_logits", "phrase_logits"):
        assert torch.equal(before[name], after[name]), name
    assert set(load_file(tmp_path / "model.safetensors")) == set(model.state_dict())


@pytest.fixture
def clip_folder(tmp_path):
    shape = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=16,
        patch_size=8,
    )
    torch.manual_seed(0)
    CLIPVisionModel(shape).save_pretrained(tmp_path / "clip")
    (tmp_path / "clip" / "preprocessor_config.json").write_text(
        '{"image_processor_type": "CLIPImageProcessor", "image_mean": [0.1, 0.2, 0.3], '
        '"image_std": [0.4, 0.5, 0.6]}'
    )
    return tmp_path / "clip"


def test_a_vision_tower_by_name_keeps_its_weights_and_normalisation(clip_folder, tmp_path):
    model = small_model(backbone=str(clip_folder))
    loaded = CLIPVisionModel.from_pretrained(clip_folder).state_dict()
    kept = model.tower.vision.state_dict()
    assert kept
    assert all(torch.equal(kept[name], loaded[name]) for name in kept)
    assert model.config.image_mean == [0.1, 0.2, 0.3]
    model.save_pretrained(tmp_path / "again")
    again = SiameseRewardModel.from_pretrained(tmp_path / "again").eval()
    assert torch.equal(model(pictures(2), titles(2)).score, again(pictures(2), titles(2)).score)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")  # peft's
def test_merged_adapters_score_as_before(clip_folder):
    model = small_model(backbone=str(clip_folder))
    n_weights = len(model.state_dict())
    model.add_adapters(2)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    before = model.eval()(pictures(2), titles(2)).score
    model.merge_adapters()
    assert len(model.state_dict()) == n_weights
    torch.testing.assert_close(model(pictures(2), titles(2)).score, before, atol=1e-4, rtol=1e-4)


def test_the_small_net_takes_no_adapters():
    with pytest.raises(ConfigError, match="lora_rank"):
        small_model().add_adapters(2)


def test_a_backbone_that_is_none_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere"):
        small_model(backbone=str(tmp_path / "nowhere"))


def test_a_stated_kind_replaces_what_title_and_picture_say():
    model, pixels = small_model(), pictures(3)
    stated = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    said = [model(pixels, features, stated) for features in (titles(3), 1 - titles(3))]
    assert torch.equal(said[0].kind[:2], stated[:2])
    assert torch.equal(said[0].score[:2], said[1].score[:2])
    assert not torch.equal(said[0].score[2], said[1].score[2])
    assert torch.equal(said[0].kind[2], model(pixels, titles(3)).kind[2])


def test_with_phrases_the_last_layer_weighs_their_probabilities_alone():
    model = small_model(phrases=("beach", "night"))
    stated = torch.tensor([[1.0, 0.0]]).expand(3, 2)
    out = model(pictures(3), titles(3), stated)
    weight = model.value.weight[0] + model.taste[0]
    torch.testing.assert_close(out.basis, torch.sigmoid(out.phrase_logits))
    torch.testing.assert_close(out.score, out.basis @ weight)
