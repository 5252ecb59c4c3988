import numpy as np
import pytest
import torch

from reference_models.diffusion import networks_net as networks
from reference_models.diffusion.autoencoder_net import as_pictures, as_tensor
from reference_models.diffusion.config import BuildConfig
from reference_models.diffusion.reading_net import fitted_tokenizer, token_ids
from reference_models.diffusion.scenes import draw_scene
from reference_models.shop.vocabulary import SCENES, Look

pytestmark = pytest.mark.filterwarnings(  # diffusers' scheduler, under NumPy 2
    "ignore:__array__ implementation:DeprecationWarning"
)


@pytest.fixture(scope="module")
def pictures():
    return np.stack([draw_scene(Look(scene), seed=1, size=32) for scene in SCENES])


def test_pictures_survive_being_tensors(pictures):
    np.testing.assert_array_equal(as_pictures(as_tensor(pictures)), pictures)


def test_the_encoder_is_the_code(minute, pictures):
    code = networks.fitted_code(as_tensor(pictures))
    vae = networks.autoencoder(minute)
    networks.fold_code(vae, code)
    with torch.no_grad():
        found = vae.encode(as_tensor(pictures)).latent_dist
        wanted = code(as_tensor(pictures))
    assert found.mean.shape == (24, 4, 16, 16)
    assert found.std.max() < 1e-5
    np.testing.assert_allclose(found.mean.numpy(), wanted.numpy(), atol=5e-3)
    assert vae.config.scaling_factor == 1.0


def test_the_code_is_centred_and_of_unit_power(pictures):
    latents = networks.fitted_code(as_tensor(pictures))(as_tensor(pictures))
    assert latents.mean((0, 2, 3)).abs().max() < 1e-4
    assert latents.square().mean().item() == pytest.approx(1, abs=0.01)
    spread = latents.std((0, 2, 3))
    assert (spread.diff() < 0).all(), "components by falling variance"


def test_a_fresh_controlnet_has_no_effect(minute):
    tokenizer = fitted_tokenizer(minute, ["a beach", "a forest"])
    unet, text = networks.unet(minute), networks.text_encoder(minute, tokenizer)
    net = networks.controlnet(unet)
    noisy, times = torch.randn(2, 4, 16, 16), torch.tensor([10, 999])
    told = text(token_ids(tokenizer, ["a beach", ""])).last_hidden_state
    edges = torch.ones(2, 3, 32, 32)
    down, middle = net(noisy, times, told, controlnet_cond=edges, return_dict=False)
    assert middle.abs().max() == 0
    assert all(part.abs().max() == 0 for part in down)
    plain = unet(noisy, times, told).sample
    with_it = unet(
        noisy,
        times,
        told,
        down_block_additional_residuals=down,
        mid_block_additional_residual=middle,
    ).sample
    torch.testing.assert_close(with_it, plain)


def test_at_the_last_time_there_is_no_signal():
    signal, noise = networks.signal_and_noise()
    assert (signal[-1], noise[-1]) == (0, 1)
    assert signal[0] > 0.999
    torch.testing.assert_close(signal**2 + noise**2, torch.ones(1000))
    scheduler = networks.scheduler()
    scheduler.set_timesteps(8)
    assert scheduler.timesteps[0] == 999
    kept = scheduler.alphas_cumprod[500].sqrt()
    assert signal[500].item() == pytest.approx(kept.item(), rel=1e-5)


def test_the_tokenizer_is_the_same_every_time_and_reads_anything():
    config = BuildConfig()
    said = ["sandy beach, at night", "a sandy shore", "beach at noon"] * 3
    tokenizer = fitted_tokenizer(config, said)
    assert tokenizer.get_vocab() == fitted_tokenizer(config, said).get_vocab()
    assert tokenizer.tokenize("Sandy Beach") == ["sandy</w>", "beach</w>"]
    ids = token_ids(tokenizer, ["beach", "", "caf\u00e9 \u6d77 " * 40])
    assert ids.shape == (3, config.text.tokens)
    assert (ids[1, 1:] == tokenizer.eos_token_id).all()
    assert (ids[2, 1:-1] != tokenizer.eos_token_id).all(), "letters it knows for any text"
