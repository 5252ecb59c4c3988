"""Models that ship with the toolkit: trained on the shop world, small, opened without a network.

Each lies in its folder under ``weights/``: safetensors, configuration, card, and SHA256SUMS of all
three. docs/embedded-models.md has the commands that make them.
"""

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from caig.errors import ArtifactError
from caig.runs.files import sha256_file

if TYPE_CHECKING:
    import polars as pl

WEIGHTS = Path(str(files("reference_models"))) / "weights"
"""Folder of all of them."""

SUMS = "SHA256SUMS"

REWARD_MODELS = ("reward", "reward-picture")
PROMPT_MODELS = ("prompt", "prompt-broad")
MODELS = (*REWARD_MODELS, *PROMPT_MODELS)
"""Names of the folders."""


def embedded_folder(name: str) -> Path:
    """Folder of a model, its files checked.

    Args:
        name: "reward" is the reward model, "reward-picture" one that is told nothing of the
            product; "prompt" is the pre-trained multimodal model that prompts are written with,
            "prompt-broad" one that suggests more places, fewer of them suitable.

    Raises:
        ArtifactError: A file is missing or is not the one that was shipped.
    """
    folder = WEIGHTS / name
    for line in (folder / SUMS).read_text(encoding="ascii").splitlines():
        digest, _, file_name = line.partition("  ")
        file = folder / file_name
        if not file.is_file() or sha256_file(file) != digest:
            raise ArtifactError(f"{file}: not the file that was shipped; install the toolkit again")
    return folder


PROMPT_PICTURE_SIDE = 64
"""What pictures were shrunk to when the prompt model was trained (px)."""


def prompt_model(name: str) -> tuple[Path, int]:
    """Folder of a prompt model, and the side that pictures are shrunk to for it (px).

    Args:
        name: One of ``PROMPT_MODELS``.

    Raises:
        ArtifactError: None of this name ships, or a file is not the one that was shipped.
    """
    if name not in PROMPT_MODELS:
        known = ", ".join(f"ref:{known}" for known in PROMPT_MODELS)
        raise ArtifactError(f"ref:{name}: no prompt model of this name ships; there are {known}")
    return embedded_folder(name), PROMPT_PICTURE_SIDE


class EmbeddedRewardScorer:
    """A reward model that ships with the toolkit, as a ``PairScorer``.

    It knows the shop world alone, and is no evidence about any real shop.

    Args:
        name: One of ``REWARD_MODELS``.
    """

    def __init__(self, name: str) -> None:
        from caig.reward.model import SiameseRewardModel
        from caig.reward.score import RewardModelScorer

        self.name = f"ref:{name}"
        model = SiameseRewardModel.from_pretrained(embedded_folder(name), use_safetensors=True)
        self._scorer = RewardModelScorer(model, name=self.name)

    def score_pairs(self, pairs: "pl.DataFrame", images: Path) -> "pl.DataFrame":
        """Score pairs in both presentations.

        Args:
            pairs: ``creative_pairs/1``.
            images: Folder of the data run that the pairs were made from.

        Returns:
            ``pair_scores/1``.

        Raises:
            DataError: An ad is not in the data run, or a picture cannot be read.
        """
        return self._scorer.score_pairs(pairs, images)
