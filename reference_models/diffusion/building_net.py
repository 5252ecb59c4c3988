"""The whole build, stage by stage, each gated and each going on from its state.

Pictures, autoencoder, judge, denoiser, ControlNet. A stage whose result is too poor stops the build
with what to do; the stages before it are kept.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import StableDiffusionControlNetInpaintPipeline, StableDiffusionInpaintPipeline
from transformers import CLIPTokenizer

from caig.errors import ArtifactError
from caig.generation.compose import Picture
from caig.generation.config import DiffusionConfig, GenerationConfig
from caig.generation.pipeline import DiffusionGenerator
from caig.generation.sheet import encode_png
from caig.runs.files import write_atomic
from reference_models.diffusion import networks_net as networks
from reference_models.diffusion.autoencoder_net import (
    fidelity,
    require_fidelity,
    train_autoencoder,
)
from reference_models.diffusion.config import BuildConfig
from reference_models.diffusion.control_net import train_control
from reference_models.diffusion.denoiser_net import Samples, train_denoiser
from reference_models.diffusion.judge_net import Judge, named, train_judge
from reference_models.diffusion.measuring import share
from reference_models.diffusion.painting import paint_looks, sheet
from reference_models.diffusion.reading_net import fitted_tokenizer
from reference_models.diffusion.scenes import Composer, draw_scene, drawn_scenes, looks
from reference_models.diffusion.text_net import train_text
from reference_models.diffusion.wording import word
from reference_models.shop.creatives import random_look
from reference_models.shop.vocabulary import LIGHTS, PALETTES, SCENES, Look

BASE, CONTROL = "shop", "shop-canny"
"""Folders of a saved model; the first is the painter's name in every artifact."""

PROMPTS = 20_000
"""Prompts that the tokenizer is fitted on."""

CHECKED = 192
"""Held-out pictures that a gate looks at."""

Tell = Callable[[str], None]


class Built(NamedTuple):
    """What was built.

    Attributes:
        vae: Autoencoder.
        text_encoder: Text encoder.
        tokenizer: Its tokenizer.
        unet: UNet.
        controlnet: ControlNet.
        judge: The classifier that measures.
        pictures: (n, size, size, 3) training backgrounds.
        figures: What the gates saw, by name.
    """

    vae: Any
    text_encoder: Any
    tokenizer: CLIPTokenizer
    unet: Any
    controlnet: Any
    judge: Judge
    pictures: Picture
    figures: dict[str, float]


def build(config: BuildConfig, *, state: Path, tell: Tell) -> Built:
    """Train all networks, or go on where ``state`` says an earlier attempt stopped.

    Args:
        config: Of the build.
        state: Folder of drawn pictures, states and sheets; made if missing.
        tell: Takes lines for the log.

    Raises:
        ArtifactError: A stage did not pass its gate, or ``state`` is of other settings.
    """
    state.mkdir(parents=True, exist_ok=True)
    tell(f"pictures: {config.data.pictures:,} in all")
    pictures, known = drawn_scenes(
        config.data.pictures, size=config.size, seed=config.seed, folder=state / "scenes"
    )
    composer = Composer(size=config.size, split="train", variants=config.data.variants)
    data = (config, pictures, known, composer)
    figures: dict[str, float] = {}

    vae, code = train_autoencoder(*data, folder=state, tell=tell)
    held_out, asked = held_out_scenes(config, CHECKED)
    figures["autoencoder_db"] = fidelity(vae, held_out)
    tell(f"autoencoder: {figures['autoencoder_db']:.2f} dB on held-out pictures")
    require_fidelity(figures["autoencoder_db"], config)

    judge = train_judge(*data, folder=state, tell=tell)
    figures["judge_scene"] = scene_share(judge, held_out, asked)
    _gate("judge", figures["judge_scene"], config.judge.floor, tell)

    tokenizer = _tokenizer(config, state / "tokenizer")

    def samples(empty_share: float, batch_size: int) -> Samples:
        return Samples(
            *data, code=code, tokenizer=tokenizer, empty_share=empty_share, batch_size=batch_size
        )

    validating = Composer(size=config.size, split="val")

    def look(unet: Any, text: Any, step: int) -> None:
        parts = {"vae": vae, "text_encoder": text, "tokenizer": tokenizer, "unet": unet}
        painted = paint_looks(painter(config, parts), shown_looks(), validating)
        path = state / f"denoiser-{step:06d}.png"
        write_atomic(path, encode_png(sheet(painted, columns=12)))
        tell(f"denoiser: {path}")

    encoder, figures["text_scene"] = train_text(config, tokenizer, folder=state, tell=tell)
    _gate("text", figures["text_scene"], config.text.floor, tell)
    unet, text = train_denoiser(
        config,
        samples(config.data.empty_share, config.denoiser.batch_size),
        encoder,
        folder=state,
        tell=tell,
        look=look,
    )
    parts = {"vae": vae, "text_encoder": text, "tokenizer": tokenizer, "unet": unet}
    painted = paint_looks(painter(config, parts), asked, validating)
    figures["denoiser_scene"] = scene_share(judge, painted, asked)
    _gate("denoiser", figures["denoiser_scene"], config.denoiser.floor, tell)

    net = train_control(
        config, samples(0.0, config.control.batch_size), unet, text, folder=state, tell=tell
    )
    return Built(vae, text, tokenizer, unet, net, judge, pictures, figures)


def painter(
    config: BuildConfig, parts: dict[str, Any], controlnet: Any = None
) -> DiffusionGenerator:
    """The toolkit's painter around networks as they are."""
    stored = networks.pipeline(parts).components
    pipeline: Any
    if controlnet is None:
        pipeline = StableDiffusionInpaintPipeline(  # type: ignore[no-untyped-call]
            **stored, requires_safety_checker=False
        )
    else:
        pipeline = StableDiffusionControlNetInpaintPipeline(  # type: ignore[no-untyped-call]
            **stored, controlnet=controlnet, requires_safety_checker=False
        )
    pipeline.set_progress_bar_config(disable=True)
    return DiffusionGenerator(generation_config(config), pipeline=pipeline)


def generation_config(
    config: BuildConfig, *, base: str = "shop", controlnet: str = ""
) -> GenerationConfig:
    """How ``caig generate`` is told to paint with a model of these settings."""
    return GenerationConfig(
        size=config.size,
        fit=0.6,
        ground=0.87,
        diffusion=DiffusionConfig(
            base=base,
            controlnet=controlnet,
            steps=config.measure.steps,
            guidance=config.measure.guidance,
            device=config.device,
        ),
    )


def save_built(built: Built, folder: Path) -> list[Path]:
    """Save in diffusers' format, half precision: ``shop`` and ``shop-canny`` below ``folder``.

    Returns:
        The files.
    """
    parts = {
        "vae": built.vae,
        "text_encoder": built.text_encoder,
        "unet": built.unet,
        "tokenizer": built.tokenizer,
    }
    pipeline = networks.pipeline(parts).to(torch.float16)
    pipeline.save_pretrained(folder / BASE, safe_serialization=True)
    built.controlnet.to(torch.float16)
    built.controlnet.save_pretrained(folder / CONTROL, safe_serialization=True)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def held_out_scenes(config: BuildConfig, count: int) -> tuple[Picture, list[Look]]:
    """Drawn backgrounds of looks that no training picture has, all scenes in turn."""
    asked = held_out_looks(count, seed=config.seed)
    drawn = [
        draw_scene(look, seed=2**31 + number, size=config.size) for number, look in enumerate(asked)
    ]
    return np.stack(drawn), asked


def held_out_looks(count: int, *, seed: int) -> list[Look]:
    """Looks that no training picture has, all scenes in turn."""
    rng = np.random.default_rng((seed, count))
    others = looks(held_out=True)
    of_scene = {scene: [look for look in others if look.scene == scene] for scene in SCENES}
    turns = [of_scene[SCENES[number % len(SCENES)]] for number in range(count)]
    return [those[int(rng.integers(len(those)))] for those in turns]


def shown_looks() -> list[Look]:
    """What a sheet shows: every scene twice, under changing lights and palettes, undecorated."""
    return [
        Look(scene, LIGHTS[(n + turn) % len(LIGHTS)], PALETTES[(n + 2 * turn) % len(PALETTES)])
        for turn in range(2)
        for n, scene in enumerate(SCENES)
    ]


def scene_share(judge: Judge, pictures: Picture | list[Picture], asked: list[Look]) -> float:
    """Share of pictures in which a judge sees the scene that was asked for."""
    seen = named(judge, list(pictures))
    return share("scene", [a.scene == s.scene for a, s in zip(asked, seen, strict=True)]).estimate


def _tokenizer(config: BuildConfig, folder: Path) -> CLIPTokenizer:
    """The tokenizer in ``folder``; else a new one, kept there: what is half trained needs it."""
    if not folder.exists():
        rng = np.random.default_rng(config.seed)
        said = [word(random_look(rng), rng).text for _ in range(PROMPTS)]
        fitted = fitted_tokenizer(config, said)
        unfinished = folder.with_suffix(".partial")
        fitted.save_pretrained(unfinished)
        unfinished.replace(folder)
    found = CLIPTokenizer.from_pretrained(folder)
    assert isinstance(found, CLIPTokenizer)
    return found


def _gate(stage: str, reached: float, floor: float, tell: Tell) -> None:
    tell(f"{stage}: {reached:.1%} of scenes named")
    if reached < floor:
        raise ArtifactError(
            f"{stage}: {reached:.1%} of held-out scenes are named, and {floor:.1%} are needed; "
            f"raise {stage}.steps and go on"
        )
