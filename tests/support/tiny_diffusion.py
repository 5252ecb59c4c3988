"""The classes of Stable Diffusion in a tiny configuration with random weights, made on the spot.

Every class is the real one, so that loading, text encoding, ControlNet and inpainting take the path
of a real checkpoint. The pictures are noise.
"""

from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    EulerAncestralDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

TEXT_WIDTH = 32


def tokenizer():
    """Letters only; every word is spelt."""
    letters = [chr(code) for code in range(33, 127)]
    tokens = [
        *letters,
        *(f"{letter}</w>" for letter in letters),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=[],
        model_max_length=77,
    )


def text_encoder(tokens, *, projected=False):
    config = CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=TEXT_WIDTH,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=TEXT_WIDTH,
        bos_token_id=tokens.bos_token_id,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.eos_token_id,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval()


def unet(*, in_channels=4, widths=(32, 64), layers=1, text_width=TEXT_WIDTH, xl=False, size=8):
    extra = {}
    if xl:
        extra = {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": TEXT_WIDTH + 6 * 8,
        }
    attended = len(widths) - 1
    net = UNet2DConditionModel(
        sample_size=size,
        in_channels=in_channels,
        block_out_channels=widths,
        layers_per_block=layers,
        down_block_types=("CrossAttnDownBlock2D",) * attended + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * attended,
        cross_attention_dim=2 * text_width if xl else text_width,
        attention_head_dim=8,
        norm_num_groups=8,
        **extra,
    )
    with torch.no_grad():  # fresh weights hardly look at the text
        for name, weight in net.named_parameters():
            if "attn2.to_v" in name or "attn2.to_out.0.weight" in name:
                weight.mul_(6)
    return net.eval()


def vae(widths=(16, 16, 16, 16)):
    n = len(widths)
    return AutoencoderKL(
        block_out_channels=widths,
        down_block_types=("DownEncoderBlock2D",) * n,
        up_block_types=("UpDecoderBlock2D",) * n,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=64,
    ).eval()


def controlnet(of):
    """A ControlNet that fits a UNet, its zero layers filled so that it has an effect."""
    net = ControlNetModel.from_unet(of, conditioning_channels=3).eval()
    with torch.no_grad():
        edges = net.controlnet_cond_embedding.conv_out
        for layer in (*net.controlnet_down_blocks, net.controlnet_mid_block, edges):
            layer.weight.normal_(0, 1.0)
    return net


def pipeline(*, seed=0, in_channels=4, widths=(32, 64), layers=1, xl=False, size=8):
    """A text-to-image pipeline, as base checkpoints are stored."""
    torch.manual_seed(seed)
    tokens = tokenizer()
    parts = {
        "vae": vae(),
        "text_encoder": text_encoder(tokens),
        "tokenizer": tokens,
        "unet": unet(in_channels=in_channels, widths=widths, layers=layers, xl=xl, size=size),
        "scheduler": EulerAncestralDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
        ),
    }
    if xl:
        return StableDiffusionXLPipeline(
            **parts,
            text_encoder_2=text_encoder(tokens, projected=True),
            tokenizer_2=tokens,
            force_zeros_for_empty_prompt=True,
        )
    return StableDiffusionPipeline(
        **parts,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def save(folder: Path, **options) -> tuple[str, str]:
    """Save a base model and a ControlNet below ``folder``; their folders."""
    base = pipeline(**options)
    base.save_pretrained(folder / "base")
    controlnet(base.unet).save_pretrained(folder / "controlnet")
    return str(folder / "base"), str(folder / "controlnet")
