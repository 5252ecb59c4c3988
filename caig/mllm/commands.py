"""``caig pretrain``: from a shop's ads, or examples of one's own, to a checkpoint with its card."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def pretrain(
    data: Path | None = None,
    /,
    *,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="", show_default=False)] = (),
    examples: Annotated[Path | None, Parameter(show_default=False)] = None,
    images: Annotated[Path | None, Parameter(show_default=False)] = None,
    resume: Annotated[str | None, Parameter(show_default=False)] = None,
    runs: Path = Path("runs"),
) -> None:
    """Pre-train a multimodal language model on products and their ads.

    The run holds checkpoint/ (safetensors, processor, model card; read by the Auto classes),
    training_steps, and the prompts written for validation products; its folder is the last line
    printed. Several processes: torchrun --nproc_per_node N -m caig pretrain ...

    Args:
        data: Run with products, creatives, captions and creative_counts, as a folder or an id.
        config: TOML file: model, tasks, stages; see docs/pretraining.md and configs/mllm/.
        set_: One value over the file's, e.g. --set mix.examples=4000.
        examples: Examples of your own: JSONL in our format, or LLaVA's JSON.
        images: Folder that their image names are relative to; the file's own by default.
        resume: An interrupted run of the same task, as an id: go on from its last checkpoint.
        runs: Folder of all runs.
    """
    from caig.config import load_config
    from caig.data.sources import open_run
    from caig.mllm.config import PretrainConfig
    from caig.mllm.load import require_torch

    settings = load_config(PretrainConfig, config, set_)
    require_torch()
    from caig.mllm.training_run import pretrain_run

    path = pretrain_run(
        None if data is None else open_run(data, runs),
        settings,
        runs=runs,
        examples=examples,
        images=images,
        resume=resume,
    )
    if path is not None:
        print(path)
