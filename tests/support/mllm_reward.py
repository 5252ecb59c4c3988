"""A very small multimodal model on disk, for the shop of ads whose colour decides."""

from coloured_shop import SMALL

from caig.mllm.load import save_mllm
from caig.mllm.tiny import build_tiny
from caig.reward.config import RewardConfig

TEXTS = ("Product: Blue mug number 1. Category: mugs.", "Blue tent number 2, tents", "which ad?")


def save_base(folder):
    """Write the model with random weights; it stands for any image-text-to-text checkpoint."""
    two_layers = SMALL.model_copy(update={"text_layers": 2})  # one could not tell two ads apart
    save_mllm(build_tiny(TEXTS, two_layers, seed=0), folder)
    return folder


def mllm_config(base, layout="siamese", *, model=None, loss=None, **train):
    """Seconds, not minutes: a step takes some ten milliseconds."""
    return RewardConfig.model_validate(
        {
            "seed": 3,
            "model": {
                "layout": layout,
                "mllm": str(base),
                "image_size": 32,
                "reads_category": True,
                "trains_tower": True,
                **(model or {}),
            },
            "loss": {"pair": 1.0, **(loss or {})},
            "train": {
                "epochs": 2,
                "products_per_step": 4,
                "learning_rate": 0.005,
                "shift": 1,
                **train,
            },
        }
    )
