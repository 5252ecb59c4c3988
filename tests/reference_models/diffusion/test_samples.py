"""A training sample is what the inpainting pipeline shows its UNet."""

import numpy as np
import pytest
import torch

from caig.generation.pipeline import Placed
from reference_models.diffusion import networks_net as networks
from reference_models.diffusion.autoencoder_net import as_tensor
from reference_models.diffusion.building_net import painter
from reference_models.diffusion.denoiser_net import (
    LEAST_TIME,
    Samples,
    latent_mask,
    painted_error,
    spread_times,
)
from reference_models.diffusion.painting import paint
from reference_models.diffusion.scenes import Composer
from reference_models.diffusion.stages_net import draws
from reference_models.shop.vocabulary import Look

pytestmark = pytest.mark.filterwarnings(  # diffusers' scheduler, under NumPy 2
    "ignore:__array__ implementation:DeprecationWarning"
)


@pytest.fixture(scope="module")
def samples(minute, built):
    pictures = built[0].pictures
    return Samples(
        minute,
        pictures,
        [Look("beach")] * len(pictures),
        Composer(size=32, split="train"),
        code=networks.fitted_code(as_tensor(pictures)),
        tokenizer=built[0].tokenizer,
        empty_share=0.0,
        batch_size=8,
    )


def test_clean_latents_noise_and_target_belong_together(samples):
    sample = samples.draw(draws(1, "x", 0))
    signal, noise = (
        part[sample.times][:, None, None, None] for part in networks.signal_and_noise()
    )
    clean = signal * sample.noisy - noise * sample.target
    drawn = noise * sample.noisy + signal * sample.target
    assert drawn.std().item() == pytest.approx(1, abs=0.05)
    assert clean.square().mean().item() == pytest.approx(1, abs=0.4)
    again = samples.draw(draws(1, "x", 0))
    assert all(torch.equal(a, b) for a, b in zip(sample, again, strict=True))


def test_only_what_is_painted_counts(samples):
    sample = samples.draw(draws(1, "x", 1))
    assert 0 < sample.counts.mean() < 1
    off = sample.target + (1 - sample.counts) * 100
    assert painted_error(off, sample) == 0
    assert painted_error(sample.target + 2, sample).item() == pytest.approx(4)


def test_the_pipeline_shows_its_unet_the_same(minute, built, samples):
    """The kept latents of a painting under way are those of a sample of the same product."""
    from reference_models.diffusion.scenes import Composer

    found, _ = built
    ad = Composer(size=32, split="train").random(
        found.pictures[0], Look("beach"), np.random.default_rng(0)
    )
    parts = {n: getattr(found, n) for n in ("vae", "text_encoder", "tokenizer", "unet")}
    maker = painter(minute, parts)
    shown = []
    original = found.unet.forward

    def watched(latents, *arguments, **options):
        shown.append(latents.detach().clone())
        return original(latents, *arguments, **options)

    found.unet.forward = watched
    try:
        paint(maker, [Placed(ad.placed, ad.edges, ad.mask)], ["beach"])
    finally:
        found.unet.forward = original
    kept = latent_mask([ad.mask])[0, 0] == 0
    assert kept.any()
    code = networks.fitted_code(as_tensor(found.pictures))
    clean = code(as_tensor([ad.placed[..., :3]]))[0]
    second_time = int(maker.pipeline.scheduler.timesteps[1])
    signal, noise = (part[second_time] for part in networks.signal_and_noise())
    # At the second step, what is kept is that product's latents under the noise of the first.
    expected = signal * clean + noise * shown[0][0]
    torch.testing.assert_close(shown[1][0][:, kept], expected[:, kept], atol=0.02, rtol=0)


def test_times_are_spread_over_every_batch():
    times = spread_times(torch.rand(16))
    assert (times.diff() < 0).all()
    assert times[0] > 960
    assert LEAST_TIME <= times[-1] < 160
    assert spread_times(torch.zeros(1)).item() == 999
    many = spread_times(torch.rand(10_000)).float()
    assert (many > 540).float().mean() == pytest.approx(0.59, abs=0.01)
