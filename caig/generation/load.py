"""Loading a diffusion pipeline for inpainting: any base, ControlNet and LoRA, safely.

Weights come from safetensors only: a pickle can run any code when it is opened. Code that comes
with a model is not run unless the configuration says so. The pipeline's class follows the base
model's own, through diffusers' Auto classes.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caig.errors import ArtifactError, ConfigError, PrerequisiteError
from caig.generation.config import DiffusionConfig

if TYPE_CHECKING:
    import torch

PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle")


def load_pipeline(config: DiffusionConfig) -> Any:
    """An inpainting pipeline of diffusers, on its device and ready to be called.

    Args:
        config: What to load.

    Returns:
        E.g. a ``StableDiffusionControlNetInpaintPipeline``; its class depends on the base model.

    Raises:
        ConfigError: No base model is named, or the scheduler is unknown.
        ArtifactError: A model is missing, is pickled, or does not fit.
        PrerequisiteError: diffusers is not installed.
    """
    if not config.base:
        raise ConfigError(
            "diffusion.base: name a base model: --set diffusion.base=FOLDER_OR_HUB_ID\n"
            "without any model, draw by rule: --generator procedural"
        )
    try:
        import diffusers
        import torch
    except ImportError:
        raise PrerequisiteError.from_extra("painting with diffusion models", "train") from None
    for named in (config.base, config.controlnet, config.lora):
        if named:
            refuse_pickles(named)
    device = torch.device(_device_name(config.device))
    dtype = _dtype(config.dtype, device)
    common: dict[str, Any] = {"dtype": dtype, "use_safetensors": True}
    parts: dict[str, Any] = {}
    with quiet():
        if config.controlnet:
            parts["controlnet"] = _loaded(
                config.controlnet, diffusers.ControlNetModel.from_pretrained, **common
            )
        parts |= _own_filter(config)
        pipeline = _loaded(
            config.base,
            diffusers.AutoPipelineForInpainting.from_pretrained,
            revision=config.revision,
            variant=config.variant,
            trust_remote_code=config.trust_remote_code,
            **parts,
            **common,
        )
        if config.scheduler:
            pipeline.scheduler = _scheduler(config.scheduler, pipeline.scheduler)
        if config.lora:
            _loaded(config.lora, pipeline.load_lora_weights, use_safetensors=True)
            pipeline.fuse_lora(lora_scale=config.lora_scale)
            pipeline.unload_lora_weights()
    _check_channels(pipeline, config.base)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def refuse_pickles(named: str) -> None:
    """Refuse a local model that holds weights which only a pickle could be read from.

    Raises:
        ArtifactError: It is a pickle, a single file, or a folder one of whose parts has pickled
            weights and no safetensors.
    """
    path = Path(named)
    reason = (
        "a pickle, which can run any code when it is opened; save it as safetensors where you "
        "trust it: DiffusionPipeline.from_pretrained(...).save_pretrained(FOLDER)"
    )
    if path.is_file():
        if path.suffix in PICKLES:
            raise ArtifactError(f"{path}: {reason}")
        raise ArtifactError(
            f"{path}: a single file; give a folder in diffusers' format, which "
            "DiffusionPipeline.from_single_file(...).save_pretrained(FOLDER) makes of it"
        )
    if not path.is_dir():
        return  # a hub id: diffusers is told to take safetensors only
    for folder in (path, *sorted(p for p in path.iterdir() if p.is_dir())):
        files = [p for p in sorted(folder.iterdir()) if p.is_file()]
        pickled = [p for p in files if p.suffix in PICKLES]
        if pickled and not any(p.suffix == ".safetensors" for p in files):
            raise ArtifactError(f"{pickled[0]}: {reason}")


def _device_name(asked: str) -> str:
    import torch

    if asked != "auto":
        return asked
    return "cuda" if torch.cuda.is_available() else "cpu"


def _dtype(asked: str, device: "torch.device") -> "torch.dtype":
    import torch

    if asked == "auto":
        # A CPU is several times slower in half precision.
        return torch.float32 if device.type == "cpu" else torch.float16
    found = getattr(torch, asked)
    assert isinstance(found, torch.dtype)
    return found


def _loaded(named: str, load: Any, **options: Any) -> Any:
    """``load(named)`` with its many errors as one."""
    try:
        return load(named, **options)
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        first = str(error).strip().splitlines()
        why = first[0] if first else type(error).__name__
        where = "" if Path(named).exists() else "; no folder of that name here, and as a hub id: "
        raise ArtifactError(f"{named}: cannot be loaded{where or ': '}{why}") from None


def _own_filter(config: DiffusionConfig) -> dict[str, Any]:
    """Turns the base model's own safety checker off, where it has one and that is asked for."""
    import diffusers

    if config.safety_checker:
        return {}
    found = _loaded(config.base, diffusers.DiffusionPipeline.load_config, revision=config.revision)
    if "safety_checker" not in found:
        return {}
    return {"safety_checker": None, "requires_safety_checker": False}


def _scheduler(name: str, present: Any) -> Any:
    import diffusers

    found = getattr(diffusers, name, None)
    if not (isinstance(found, type) and issubclass(found, diffusers.SchedulerMixin)):
        known = ", ".join(sorted(k.__name__ for k in present.compatibles))
        raise ConfigError(f"diffusion.scheduler: '{name}' is none of: {known}")
    return found.from_config(present.config)  # type: ignore[no-untyped-call]


def _check_channels(pipeline: Any, base: str) -> None:
    """Pipelines of Stable Diffusion silently lose the product with any other UNet."""
    unet = getattr(pipeline, "unet", None)
    if unet is not None and unet.config.in_channels not in (4, 9):
        raise ArtifactError(
            f"{base}: its UNet takes {unet.config.in_channels} channels; inpainting needs 4 or 9"
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Silences notices and bars of the model libraries, which are not for this tool's users.

    Some of them repeat prompts, which are untrusted, as they are.
    """
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        for library in (of_diffusers, of_transformers):
            library.disable_progress_bar()
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            for library in (of_diffusers, of_transformers):
                library.enable_progress_bar()
