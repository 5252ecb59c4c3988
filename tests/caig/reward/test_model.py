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
    small = {"patches": 8, "widths": (8, 16), "look_size": 8, "image_size": 16, "dropout": 0.0}
    model = SiameseRewardModel.from_scratch(
        SiameseRewardConfig(kinds=KINDS, vocabulary=WORDS, **small, **shape)
    )
    # Taste and title start out silent; a test of what they do needs them to speak.
    torch.nn.init.normal_(model.taste)
    torch.nn.init.normal_(model.level)
    torch.nn.init.normal_(model.kind_of_title.weight)
    if model.sees_once:
        model.tower.dictionary.learn(pictures(8), n_patches=500)
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


@pytest.mark.parametrize("backbone", ["patches", "conv"])
def test_batch_of_one_equals_batch_of_eight(backbone):
    model = small_model(backbone=backbone)
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


@pytest.mark.parametrize("backbone", ["patches", "conv"])
def test_a_hidden_product_changes_nothing(backbone):
    pixels = pictures(2)
    other = pixels.clone()
    other[:, :, 4:15, 3:13] = 255 - other[:, :, 4:15, 3:13]
    model = small_model(backbone=backbone, hides_product=True)
    assert torch.equal(model(pixels, titles(2)).score, model(other, titles(2)).score)
    assert not torch.equal(
        small_model()(pixels, titles(2)).score, small_model()(other, titles(2)).score
    )


@pytest.mark.parametrize("backbone", ["patches", "conv"])
def test_checkpoint_holds_the_model_exactly(tmp_path, backbone):
    model = small_model(backbone=backbone, buckets=3)
    model.config.order_scale = 2.5
    model.save_pretrained(tmp_path)
    again = SiameseRewardModel.from_pretrained(tmp_path).eval()
    assert again.config.order_scale == 2.5
    assert again.config.kinds == list(KINDS)
    before, after = model(pictures(3), titles(3)), again(pictures(3), titles(3))
    for name in ("score", "log_ctr", "kind_logits", "bucket_logits"):
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


def test_what_is_seen_once_gives_the_same_scores():
    model = small_model()
    whole = model(pictures(3), titles(3))
    in_two = model(title_features=titles(3), seen=model.see(pictures(3)))
    assert torch.equal(whole.score, in_two.score)
    assert not small_model(backbone="conv").sees_once


def test_a_dictionary_does_not_depend_on_the_brightness_of_patches_only_its_colours_do():
    dictionary = small_model().tower.dictionary
    dark = torch.rand(2, 3, 16, 16) / 2
    likenesses = [dictionary(dark + lift)[:, :-7] for lift in (0.0, 0.3)]
    torch.testing.assert_close(*likenesses, atol=1e-3, rtol=1e-3)
    assert not torch.allclose(dictionary(dark)[:, -7:], dictionary(dark + 0.3)[:, -7:])


def test_a_dictionary_is_standardised_over_its_pictures_and_is_never_trained():
    model = small_model()
    seen = model.see(pictures(8))
    assert seen.mean((0, 2, 3)).abs().max() < 1e-3
    fixed = [name for name, weight in model.named_parameters() if not weight.requires_grad]
    assert all("dictionary" in name for name in fixed)
    assert len(fixed) == 4
