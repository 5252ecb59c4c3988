"""A prompt model as a run holds it: its checkpoint, its epoch, and how it is asked."""

from dataclasses import dataclass
from pathlib import Path

from caig.data.sources import open_run
from caig.errors import ArtifactError
from caig.mllm.config import ModelConfig
from caig.mllm.load import Mllm, load_mllm, refuse_pickle
from caig.mllm.shipped import is_shipped, shipped_model
from caig.preference.config import AdoptConfig, RuntimeConfig
from caig.runs.catalog import list_runs
from caig.runs.files import link_or_copy, sha256_file
from caig.runs.store import Run, RunWriter

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


def policy_from_text(text: str, runs: Path) -> Policy:
    """A prompt model by what a user names it.

    Args:
        text: Run as a folder or an id, ``ref:NAME`` of one that ships, or the folder of a
            checkpoint that no run holds; of the last two a run is made, once, so that what follows
            names its inputs.
        runs: Folder of all runs.

    Raises:
        ArtifactError: It names no prompt model.
    """
    if is_shipped(text):
        folder, side = shipped_model(text)
        return open_policy(adopted_run(folder, text, side=side, runs=runs))
    if (Path(text) / "config.json").is_file():
        return open_policy(adopted_run(Path(text), str(Path(text).resolve()), runs=runs))
    return open_policy(open_run(Path(text), runs))


def adopted_run(folder: Path, source: str, *, side: int | None = None, runs: Path) -> Run:
    """The run that holds a checkpoint made elsewhere; made if there is none yet.

    Args:
        folder: The checkpoint.
        source: What it is called.
        side: Pictures are shrunk to this side before it sees them (px).
        runs: Folder of all runs.

    Raises:
        ArtifactError: Its weights are no safetensors.
    """
    refuse_pickle(folder)
    files = {file.name: sha256_file(file) for file in sorted(folder.iterdir()) if file.is_file()}
    config = AdoptConfig(source=source, picture_side=side, files=files)
    for entry in list_runs(runs, verb="adopt"):
        if entry.manifest and entry.manifest.config == config.model_dump(mode="json"):
            return Run.open(entry.path)
    with RunWriter(runs, "adopt", config) as run:
        take_checkpoint(run, folder)
    return Run.open(run.path)


def take_checkpoint(run: RunWriter, folder: Path) -> None:
    """A checkpoint's files as the run's own, linked where that is possible."""
    target = run.path / CHECKPOINT
    target.mkdir()
    for file in sorted(file for file in folder.iterdir() if file.is_file()):
        link_or_copy(file, target / file.name)
        relative = f"{CHECKPOINT}/{file.name}"
        run.adopt_file(relative, relative, "application/octet-stream")
