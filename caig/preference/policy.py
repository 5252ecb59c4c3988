"""A prompt model as a run holds it: its checkpoint, its epoch, and how it is asked."""

from dataclasses import dataclass
from pathlib import Path

from caig.errors import ArtifactError
from caig.mllm.config import ModelConfig
from caig.mllm.load import Mllm, load_mllm
from caig.preference.config import RuntimeConfig
from caig.runs.store import Run

CHECKPOINT = "checkpoint"
EPOCH = "epoch"
"""Metric of a run that says of which alignment epoch its prompt model is."""
SIDE = "picture_side"
"""Metric, or value of its configuration, that says how far pictures are shrunk (px)."""


@dataclass(frozen=True)
class Policy:
    """A prompt model.

    Attributes:
        run: Run that holds it.
        epoch: Its alignment epoch; 0 is before any.
        side: Pictures are shrunk to this side before it sees them (px); None keeps their size.
    """

    run: Run
    epoch: int
    side: int | None

    @property
    def folder(self) -> Path:
        """Folder of its checkpoint."""
        return self.run.path / CHECKPOINT

    def load(self, runtime: RuntimeConfig) -> Mllm:
        """Load it, in evaluation mode.

        Raises:
            ArtifactError: It cannot be loaded.
        """
        return load_mllm(ModelConfig(base=str(self.folder), **runtime.model_dump()))


def open_policy(run: Run) -> Policy:
    """The prompt model of a run of ``caig pretrain`` or ``caig align``, or of one of its epochs.

    Raises:
        ArtifactError: The run holds no multimodal model.
    """
    if f"{CHECKPOINT}/config.json" not in run.manifest.artifacts:
        raise ArtifactError(
            f"{run.path}: it holds no {CHECKPOINT}/; give a run of caig pretrain or caig align"
        )
    side = run.manifest.metrics.get(SIDE, run.manifest.config.get(SIDE))
    return Policy(run, int(run.manifest.metrics.get(EPOCH, 0)), None if side is None else int(side))
