"""The networks, all of Stable Diffusion's own classes, small and fresh; and the pipeline of them.

Two choices make them learn on a processor. The autoencoder's encoder is no training matter: a
principal component analysis of 2x2 pixels is folded into its convolutions, exactly but for
rounding. And the UNet gets the whole text in its time embedding (``addition_embed_type``), beside
attending to it where the picture is an eighth of its size.

Latents have four channels, which the pipelines of Stable Diffusion take for granted; with any other
number they lose the product silently. They also ignore ``shift_factor``, so the mean is in the
encoder's bias. Types are ``Any`` where diffusers' own are incomplete.
"""

from typing import Any, NamedTuple

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from reference_models.diffusion.config import BuildConfig

LATENTS = 4
PATCH = 2
"""Pixels a latent spans, along either axis."""

GROUPS = 8
HEADS = 4

STEADY = 64.0
"""Constant beside which a latent hardly changes a group's variance; see :func:`fold_code`."""

SILENT_LOG_VARIANCE = -30.0


class Code(NamedTuple):
    """A linear code of 2x2 pixels.

    Attributes:
        weight: (4, 3, 2, 2), from pixels in -1 to 1.
        bias: (4,).
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, pictures: Tensor) -> Tensor:
        """Latents (n, 4, h / 2, w / 2) of pictures (n, 3, h, w), -1 to 1."""
        return nn.functional.conv2d(pictures, self.weight, self.bias, stride=PATCH)


def autoencoder(config: BuildConfig) -> Any:
    """A fresh ``AutoencoderKL``; its encoder means nothing before :func:`fold_code`."""
    widths = config.autoencoder.widths
    return AutoencoderKL(  # type: ignore[no-untyped-call]
        block_out_channels=widths,
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        layers_per_block=1,
        latent_channels=LATENTS,
        norm_num_groups=GROUPS,
        sample_size=config.size,
        scaling_factor=1.0,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
        force_upcast=False,
    )


def fitted_code(pictures: Tensor) -> Code:
    """The code of most variance, scaled so that small components stay small, but less so.

    Args:
        pictures: (n, 3, h, w), -1 to 1.
    """
    patches = nn.functional.unfold(pictures, PATCH, stride=PATCH).transpose(1, 2).flatten(0, 1)
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(patches.T))
    values, vectors = values.flip(0)[:LATENTS], vectors.flip(1)[:, :LATENTS]
    vectors = vectors * torch.where(vectors.sum(0) < 0, -1.0, 1.0)  # eigh leaves the sign open
    # With equal variances, edges would be decided while the scene is not; as they are, too late.
    scale = values**-0.25
    scale = scale / (values * scale**2).mean().sqrt()
    weight = (vectors * scale).T
    return Code(weight.reshape(LATENTS, 3, PATCH, PATCH), -weight @ mean)


@torch.no_grad()
def fold_code(vae: Any, code: Code) -> None:
    """Set the encoder to compute ``code``.

    The residual blocks are made identities. The last normalisation is made one by constants of
    both signs, which outweigh the latents in every group; the activation by sending every latent
    through it with both signs, since silu(x) - silu(-x) = x.
    """
    encoder = vae.encoder
    for weight in encoder.parameters():
        weight.zero_()
    for channel in range(3):
        encoder.conv_in.weight[channel, channel, 1, 1] = 1
    first, last = encoder.down_blocks
    assert first.resnets[0].conv_shortcut is None  # an identity, once its convolutions are zero
    down = first.downsamplers[0].conv
    down.weight[:LATENTS, :3, :PATCH, :PATCH] = code.weight
    down.bias[:LATENTS] = code.bias
    spread = last.resnets[0].conv_shortcut
    width = spread.out_channels // GROUPS  # channels of a group
    assert width >= 4
    assert width % 2 == 0
    norm, out = encoder.conv_norm_out, encoder.conv_out
    norm.weight.fill_(STEADY * ((width - 2) / width) ** 0.5)
    for latent in range(LATENTS):
        plus = latent * width
        spread.weight[plus, latent, 0, 0] = 1
        spread.weight[plus + 1, latent, 0, 0] = -1
        spread.bias[plus + 2 : plus + width : 2] = STEADY
        spread.bias[plus + 3 : plus + width : 2] = -STEADY
        out.weight[latent, plus, 1, 1] = 1
        out.weight[latent, plus + 1, 1, 1] = -1
    out.bias[LATENTS:] = SILENT_LOG_VARIANCE


def text_encoder(config: BuildConfig, tokenizer: CLIPTokenizer) -> Any:
    """A fresh ``CLIPTextModel``."""
    text = config.text
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=text.width,
            intermediate_size=2 * text.width,
            num_hidden_layers=text.layers,
            num_attention_heads=HEADS,
            max_position_embeddings=text.tokens,
            projection_dim=text.width,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def unet(config: BuildConfig) -> Any:
    """A fresh ``UNet2DConditionModel``."""
    return UNet2DConditionModel(  # type: ignore[no-untyped-call]
        sample_size=config.size // PATCH,
        in_channels=LATENTS,
        out_channels=LATENTS,
        block_out_channels=config.denoiser.widths,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=config.text.width,
        attention_head_dim=HEADS,  # of old the number of heads, whatever its name
        norm_num_groups=GROUPS,
        addition_embed_type="text",
        addition_embed_type_num_heads=HEADS,
        resnet_time_scale_shift="scale_shift",
    )


def controlnet(of: Any) -> Any:
    """A ``ControlNetModel`` that starts as a copy of the UNet's way down, and without effect."""
    settings = of.config
    net: Any = ControlNetModel(  # type: ignore[no-untyped-call]
        in_channels=settings.in_channels,
        conditioning_channels=3,
        down_block_types=settings.down_block_types,
        block_out_channels=settings.block_out_channels,
        layers_per_block=settings.layers_per_block,
        cross_attention_dim=settings.cross_attention_dim,
        attention_head_dim=settings.attention_head_dim,
        norm_num_groups=settings.norm_num_groups,
        addition_embed_type=settings.addition_embed_type,
        addition_embed_type_num_heads=settings.addition_embed_type_num_heads,
        resnet_time_scale_shift=settings.resnet_time_scale_shift,
        conditioning_embedding_out_channels=(16, 32),  # halves the picture, as the code does
    )
    for part in ("conv_in", "time_embedding", "add_embedding", "down_blocks", "mid_block"):
        getattr(net, part).load_state_dict(getattr(of, part).state_dict())
    return net


def scheduler() -> Any:
    """The noise: v-prediction, down to no signal at all, whose last step is on the trained grid."""
    return DPMSolverMultistepScheduler(  # type: ignore[no-untyped-call]
        num_train_timesteps=1_000,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        steps_offset=1,  # of no effect with that spacing; the pipelines complain of any other
        algorithm_type="dpmsolver++",
    )


def signal_and_noise() -> tuple[Tensor, Tensor]:
    """Shares of signal and of noise at each of the 1,000 times; at the last there is no signal."""
    kept = scheduler().alphas_cumprod.double()
    kept[-1] = 0  # the scheduler keeps 2**-24 there, for its own divisions
    return kept.sqrt().float(), (1 - kept).sqrt().float()


def precision(config: BuildConfig) -> torch.autocast:
    """The context in which denoiser and ControlNet are trained."""
    enabled = config.precision == "bfloat16"
    return torch.autocast(config.device, dtype=torch.bfloat16, enabled=enabled)


def pipeline(parts: dict[str, Any]) -> Any:
    """A ``StableDiffusionPipeline``: text to image, as base models are stored.

    Args:
        parts: ``vae``, ``text_encoder``, ``tokenizer`` and ``unet``.
    """
    return StableDiffusionPipeline(  # type: ignore[no-untyped-call]
        **parts,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
