"""Painting with the real classes of diffusers in a tiny configuration: nothing is downloaded."""

import numpy as np
import polars as pl
import pytest
import tiny_diffusion
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from caig.contracts.creatives import CREATIVES, PROMPTS
from caig.contracts.table import check
from caig.errors import ArtifactError, CaigError, ConfigError, DataError
from caig.generation.compose import canny_control, paste, place, repaint_mask
from caig.generation.config import DiffusionConfig, GenerationConfig
from caig.generation.generating import make_generator, products_of
from caig.generation.pictures import read_picture
from caig.generation.pipeline import DiffusionGenerator, Placed, product_seed

pytestmark = pytest.mark.filterwarnings("ignore")  # diffusers' own, by the dozen

SIZE = 64


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of a base model and its ControlNet."""
    return tiny_diffusion.save(tmp_path_factory.mktemp("models"))


def configured(models, *, batch_size=1, steps=2, **diffusion):
    base, controlnet = models
    chosen = {"base": base, "controlnet": controlnet, "steps": steps, **diffusion}
    return GenerationConfig(
        size=SIZE, batch_size=batch_size, diffusion=DiffusionConfig(device="cpu", **chosen)
    )


@pytest.fixture(scope="module")
def painter(models):
    return make_generator(configured(models))


def placed(cutout):
    rgba = place(cutout, SIZE)
    return Placed(rgba, canny_control(rgba), repaint_mask(rgba))


def disc(colour=(200, 30, 30)):
    y, x = np.mgrid[:40, :30]
    rgba = np.zeros((40, 30, 4), np.uint8)
    rgba[..., :3] = colour
    rgba[..., 3] = np.clip(60 * (15 - np.hypot(y - 20, x - 15)), 0, 255)
    return rgba


def prompts(*rows):
    schema = PROMPTS.schema
    return pl.DataFrame([(*row, "test") for row in rows], schema=schema, orient="row")


def difference(one, other):
    return np.abs(one.astype(int) - other).max()


def test_the_paper_s_pipeline_is_made(painter):
    assert type(painter.pipeline).__name__ == "StableDiffusionControlNetInpaintPipeline"
    assert painter.pipeline.safety_checker is None
    assert {p.dtype for p in painter.pipeline.unet.parameters()} == {torch.float32}
    assert painter.describe()["networks"]["controlnet"]["class"] == "ControlNetModel"
    parts = [painter.pipeline.components[name] for name in painter.describe()["networks"]]
    n_bytes = 4 * sum(weight.numel() for part in parts for weight in part.parameters())
    assert painter.weights() == {"float32": n_bytes}


@given(
    seed=st.integers(0, 2**31 - 1),
    colour=st.tuples(*[st.integers(0, 255)] * 3),
    text=st.text(st.characters(max_codepoint=126), max_size=12),
)
@settings(max_examples=5)
def test_product_pixels_keep_their_bits(painter, seed, colour, text):
    product = placed(disc(colour))
    (picture,) = painter.paint([product], [text], [seed], steps=1)
    solid = product.rgba[..., 3] == 255
    assert solid.sum() > 300
    np.testing.assert_array_equal(picture[solid], product.rgba[solid][:, :3])
    assert difference(picture[~solid], product.rgba[~solid][:, :3]) > 20


def test_a_picture_is_the_plain_pipeline_s_with_the_product_on_it(painter):
    product = placed(disc())
    (picture,) = painter.paint([product], ["on a beach"], [7])
    from PIL import Image

    plain = painter.pipeline(
        prompt="on a beach",
        image=Image.fromarray(product.rgba[..., :3]),
        mask_image=Image.fromarray(product.mask),
        control_image=Image.fromarray(np.repeat(product.edges[..., None], 3, axis=2)),
        controlnet_conditioning_scale=1.0,
        generator=torch.Generator("cpu").manual_seed(7),
        num_inference_steps=2,
        height=SIZE,
        width=SIZE,
    ).images[0]
    assert difference(picture, paste(np.asarray(plain), product.rgba)) <= 1


def test_batches_do_not_change_a_picture(painter):
    products = [placed(disc(colour)) for colour in ((200, 30, 30), (20, 40, 200), (9, 9, 9))] * 2
    texts = ["on a beach", "in a forest", "on a desk", "at night", "on a beach", "in snow"]
    seeds = [1, 2, 3, 1, 2, 3]
    together = painter.paint(products, texts, seeds)
    for picture, product, text, seed in zip(together, products, texts, seeds, strict=True):
        (alone,) = painter.paint([product], [text], [seed])
        assert difference(picture, alone) <= 2


def test_prompts_and_seeds_and_edges_all_matter(painter):
    product = placed(disc())
    (one,) = painter.paint([product], ["on a beach"], [1])
    (same,) = painter.paint([product], ["on a beach"], [1])
    np.testing.assert_array_equal(one, same)
    (other_seed,) = painter.paint([product], ["on a beach"], [2])
    assert difference(one, other_seed) > 5
    (other_text,) = painter.paint([product], ["xyz 123 QQQ"], [1])
    assert difference(one, other_text) > 0
    (other_edges,) = painter.paint(
        [product._replace(edges=np.zeros_like(product.edges))], ["on a beach"], [1]
    )
    assert difference(one, other_edges) > 0


def test_every_text_is_encoded_once(models, monkeypatch):
    painter = make_generator(configured(models))
    encoded = []
    real = painter.pipeline.text_encoder.forward

    def counted(input_ids, **options):
        encoded.append(len(input_ids))
        return real(input_ids, **options)

    monkeypatch.setattr(painter.pipeline.text_encoder, "forward", counted)
    product = placed(disc())
    painter.paint([product] * 3, ["a", "b", "a"], [1, 2, 3], steps=1)
    painter.paint([product] * 2, ["b", "a"], [1, 2], steps=1)
    # The two prompts together; then the negative one, beside an empty prompt.
    assert encoded == [2, 1, 1]


def test_edges_are_read_once_a_picture(painter, monkeypatch):
    first = painter.pipeline.controlnet.controlnet_cond_embedding.conv_in
    read = []
    real = first.forward
    monkeypatch.setattr(first, "forward", lambda edges: read.append(len(edges)) or real(edges))
    product = placed(disc())
    painter.paint([product] * 3, ["a", "b", "c"], [1, 2, 3], steps=4)
    painter.paint([product], ["a"], [1], steps=4)
    assert read == [6, 2]  # guidance doubles a batch


def test_creatives_come_out_in_the_order_of_prompts(models, catalogue, tmp_path):
    painter = make_generator(configured(models, batch_size=2))
    wanted = prompts(("p0", "cup", "a beach"), ("p1", "hat", "a desk"), ("p2", "cup", "a desk"))
    creatives = check(painter.generate(wanted, products_of(catalogue), tmp_path), CREATIVES)
    assert creatives["sample_id"].to_list() == ["p0", "p1", "p2"]
    assert creatives["generator"].unique().to_list() == ["diffusion/base"]
    seeds = creatives["seed"].to_list()
    assert seeds == [product_seed(name, painter.config) for name in ("cup", "hat", "cup")]
    assert len(set(seeds)) == 2
    cutouts = dict(products_of(catalogue).select("product_id", "cutout_path").iter_rows())
    for product_id, path in creatives.select("product_id", "image_path").iter_rows():
        product = place(read_picture(cutouts[product_id]).rgba, SIZE)
        solid = product[..., 3] == 255
        picture = read_picture(tmp_path / path).rgba[..., :3]
        np.testing.assert_array_equal(picture[solid], product[solid][:, :3])


def test_one_seed_for_all_as_published():
    config = GenerationConfig(seed=42, seed_per_product=False)
    assert product_seed("cup", config) == product_seed("hat", config) == 42


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"in_channels": 4}, "StableDiffusionInpaintPipeline"),
        ({"in_channels": 9}, "StableDiffusionInpaintPipeline"),
        ({"xl": True}, "StableDiffusionXLInpaintPipeline"),
    ],
)
def test_other_pipelines(tmp_path, options, kind):
    tiny_diffusion.pipeline(**options).save_pretrained(tmp_path / "base")
    painter = make_generator(configured((str(tmp_path / "base"), "")))
    assert type(painter.pipeline).__name__ == kind
    product = placed(disc())
    one, other = painter.paint([product] * 2, ["on a beach", "in snow"], [3, 3])
    solid = product.rgba[..., 3] == 255
    np.testing.assert_array_equal(one[solid], product.rgba[solid][:, :3])
    assert difference(one, other) > 0
    (alone,) = painter.paint([product], ["in snow"], [3])
    assert difference(other, alone) <= 2


def test_a_unet_that_loses_the_product_is_refused(tmp_path):
    tiny_diffusion.pipeline(in_channels=5).save_pretrained(tmp_path / "base")
    with pytest.raises(ArtifactError, match="UNet takes 5 channels; inpainting needs 4 or 9"):
        make_generator(configured((str(tmp_path / "base"), "")))


def test_schedulers_go_by_name(models):
    painter = make_generator(configured(models, scheduler="DDIMScheduler"))
    assert type(painter.pipeline.scheduler).__name__ == "DDIMScheduler"
    for name in ("DDIMSchedular", "UNet2DConditionModel"):
        with pytest.raises(ConfigError, match=rf"'{name}' is none of: .*DDIMScheduler"):
            make_generator(configured(models, scheduler=name))


def test_a_lora_changes_the_picture(models, painter, tmp_path):
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import LoraConfig, get_peft_model_state_dict

    unet = tiny_diffusion.pipeline().unet
    unet.add_adapter(
        LoraConfig(r=2, lora_alpha=2, init_lora_weights=False, target_modules=["to_q", "to_v"])
    )
    layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))
    StableDiffusionPipeline.save_lora_weights(tmp_path, unet_lora_layers=layers)
    product = placed(disc())
    (plain,) = painter.paint([product], ["on a beach"], [1])
    pictures = []
    for scale in (0.0, 1.0):
        with_lora = make_generator(configured(models, lora=str(tmp_path), lora_scale=scale))
        pictures += with_lora.paint([product], ["on a beach"], [1])
    assert difference(plain, pictures[0]) <= 1
    assert difference(plain, pictures[1]) > 1


@pytest.mark.parametrize("suffix", [".bin", ".ckpt", ".pt"])
def test_pickles_are_refused(models, tmp_path, suffix):
    part = tmp_path / "pickled" / "unet"
    part.mkdir(parents=True)
    (part / f"diffusion_pytorch_model{suffix}").write_bytes(b"never opened")
    for named in (part.parent, part / f"diffusion_pytorch_model{suffix}"):
        for role in ("base", "controlnet", "lora"):
            with pytest.raises(ArtifactError, match=rf"{suffix}: a pickle, which can run any code"):
                make_generator(configured(models, **{role: str(named)}))


def test_models_that_are_not_there(models, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ArtifactError, match=r"nobody/nothing: cannot be loaded"):
        make_generator(configured(("nobody/nothing", "")))
    with pytest.raises(CaigError, match=r"--set diffusion.base=.*\n.*--generator procedural"):
        make_generator(configured(("", "")))
    with pytest.raises(ArtifactError, match="a single file; give a folder"):
        make_generator(configured((__file__, "")))


def test_products_without_a_usable_cutout(painter, catalogue, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    wanted = prompts(("p0", "cup", "a beach"))
    for path, reason in ((None, "has no cut-out"), (str(tmp_path / "broken.png"), "not a picture")):
        products = products_of(catalogue).with_columns(cutout_path=pl.lit(path, pl.String))
        fresh = DiffusionGenerator(painter.config, pipeline=painter.pipeline)
        with pytest.raises(DataError, match=reason):
            fresh.generate(wanted, products, tmp_path)


def test_prompts_longer_than_the_model_reads_are_counted(painter):
    wanted = prompts(("p0", "cup", "short"), ("p1", "cup", "x " * 90), ("p2", "cup", "y" * 80))
    assert painter.cut_prompts(wanted) == (2, 77)
    long, cut = painter.paint([placed(disc())] * 2, ["x " * 90, "x " * 120], [1, 1], steps=1)
    assert difference(long, cut) <= 1


def test_the_probe_reckons_with_all_steps(models, catalogue):
    wanted = prompts(("p0", "cup", "a beach"))
    seconds = {}
    for steps in (2, 2000):
        painter = make_generator(configured(models, steps=steps))
        seconds[steps], how = painter.probe(wanted, products_of(catalogue))
        assert "s a step" in how
    assert seconds[2000] > 20 * seconds[2]
