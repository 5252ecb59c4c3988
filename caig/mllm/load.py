"""Loading any image-text-to-text checkpoint, safely, and saving one.

LLaVA-1.5 and 1.6, Qwen2.5-VL, Qwen3-VL, SmolVLM, InternVL (its "-hf" form), Gemma 3 and our own
tiny model all load through ``AutoModelForImageTextToText`` and ``AutoProcessor``. Weights are read
from safetensors alone: a pickle runs whatever code its author put in. Code that a checkpoint brings
along is run only when asked for by name.
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from caig.errors import ArtifactError, PrerequisiteError
from caig.mllm.config import ModelConfig
from caig.mllm.shipped import is_shipped, shipped_model

if TYPE_CHECKING:
    import torch

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


class Mllm(NamedTuple):
    """A multimodal language model.

    Attributes:
        model: Network, with ``generate``.
        processor: Tokenizer, image processor and chat template.
    """

    model: Any
    processor: Any

    @property
    def tokenizer(self) -> Any:
        """The processor's tokenizer."""
        return self.processor.tokenizer


def require_torch() -> None:
    """Say what to install where torch or transformers is missing.

    Raises:
        PrerequisiteError: One of them is.
    """
    try:
        import peft  # noqa: F401
        import torch  # noqa: F401
        import transformers  # noqa: F401
        import trl  # noqa: F401
    except ImportError:
        raise PrerequisiteError.from_extra("training", "train") from None


def device_of(config: ModelConfig) -> "torch.device":
    """Where the model runs: as asked, or a GPU if there is one."""
    import torch

    if config.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(config.device)


def process_state(config: ModelConfig) -> Any:
    """This process among those that a launcher started, joined to them on the first call."""
    from accelerate import PartialState

    # Said here, or processes that have no GPU would not find each other.
    return PartialState(cpu=device_of(config).type == "cpu")


def dtype_of(config: ModelConfig) -> "torch.dtype":
    """Type of the weights: as asked, or float32 on a CPU and bfloat16 on a GPU."""
    import torch

    if config.dtype == "auto":
        return torch.float32 if device_of(config).type == "cpu" else torch.bfloat16
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[
        config.dtype
    ]


def load_mllm(config: ModelConfig) -> Mllm:
    """Load a checkpoint, in evaluation mode, on its device.

    Args:
        config: Which, and how; ``base`` is a folder, ``ref:NAME`` of one that ships, or a hub name.

    Raises:
        ArtifactError: There is no such checkpoint, it holds pickled weights only, it brings code
            that was not asked for, or it is no image-text-to-text model.
    """
    from transformers import AutoModelForImageTextToText, AutoProcessor

    base = str(shipped_model(config.base)[0]) if is_shipped(config.base) else config.base
    if Path(base).is_dir():
        refuse_pickle(Path(base))
    common: dict[str, Any] = {
        "revision": config.revision or "main",
        "trust_remote_code": config.trust_remote_code,
    }
    read_processor: Any = AutoProcessor.from_pretrained
    try:
        processor = read_processor(base, **common)
        model: Any = AutoModelForImageTextToText.from_pretrained(
            base, dtype=dtype_of(config), use_safetensors=True, **common
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ArtifactError(f"{config.base}: cannot be loaded: {_first_line(error)}") from None
    if not hasattr(processor, "tokenizer"):
        raise ArtifactError(f"{config.base}: has no processor of pictures and text, only of one")
    return Mllm(model.to(device_of(config)).eval(), processor)


def refuse_pickle(folder: Path) -> None:
    """Refuse a folder whose weights are pickled.

    Raises:
        ArtifactError: It holds pickled weights and no safetensors, or no weights at all.
    """
    files = [file.name for file in sorted(folder.iterdir()) if file.is_file()]
    if any(name.endswith(".safetensors") for name in files):
        return
    pickled = [name for name in files if name.endswith(PICKLED)]
    if pickled:
        raise ArtifactError(
            f"{folder}: weights are pickled ({pickled[0]}), and reading a pickle runs whatever "
            "code its author put in; convert them to safetensors where you trust their source "
            "(model.save_pretrained writes them)"
        )
    raise ArtifactError(f"{folder}: no model.safetensors in this folder")


def save_mllm(mllm: Mllm, folder: Path) -> None:
    """Write safetensors, configuration and processor, so that the Auto classes read them back."""
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # Tied weights are saved once; that is what is wanted.
        warnings.simplefilter("ignore", UserWarning)
        mllm.model.save_pretrained(folder)
    mllm.processor.save_pretrained(folder)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
