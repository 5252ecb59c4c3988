"""A run of pre-training: its inputs, its folder, its progress on the console, its artifacts."""

import json
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from caig.contracts.records import FileInput
from caig.errors import ArtifactError
from caig.mllm.config import PretrainConfig
from caig.mllm.corpus import read_corpus
from caig.mllm.examples import read_examples
from caig.mllm.load import process_state
from caig.mllm.pretrain import Material, Pretrained, pretrain, write_checkpoint
from caig.mllm.validate import read_suitability
from caig.mllm.work import FOLDER, Work, begin_work
from caig.runs.files import sha256_file
from caig.runs.store import Run, RunWriter

CHECKPOINT = "checkpoint"


def pretrain_run(
    data: Run | None,
    config: PretrainConfig,
    *,
    runs: Path,
    examples: Path | None = None,
    images: Path | None = None,
    resume: str | None = None,
) -> Path | None:
    """Pre-train and write the run.

    Args:
        data: Run of a shop's products and ads.
        config: Configuration.
        runs: Folder of all runs.
        examples: File of the user's own examples.
        images: Folder of their pictures.
        resume: Id of an interrupted run of the same task.

    Returns:
        Folder of the new run; None in processes other than the first.

    Raises:
        CaigError: Data, configuration or the interrupted run do not fit.
    """
    import transformers

    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    state = process_state(config.model)
    material = Material(
        corpus=None if data is None else read_corpus(data),
        own=[] if examples is None else read_examples(examples, images),
        suitable=None if data is None else read_suitability(data),
    )
    files = () if examples is None else (_file(examples),)
    task = {
        "config": config.model_dump(mode="json"),
        "data": None if data is None else data.as_input().manifest_sha256,
        "examples": [file.sha256 for file in files],
    }
    with ExitStack() as stack:
        writer = None
        if state.is_main_process:
            inputs = {} if data is None else {"data": data}
            writer = stack.enter_context(
                RunWriter(runs, "pretrain", config, inputs=inputs, files=files, seed=config.seed)
            )
            old = None if resume is None else _interrupted(runs, resume)
            begin_work(writer.path, task, old)
        work = Work(_shared(None if writer is None else writer.path / FOLDER))
        report = _Reporter(work, writer, stack)
        result = pretrain(material, config, work, report=report)
        if writer is None:
            return None
        _write(writer, result, config, work, data)
    shutil.rmtree(writer.path / FOLDER, ignore_errors=True)
    return writer.path


class _Reporter:
    """Progress for people, and for the log."""

    def __init__(self, work: Work, writer: RunWriter | None, stack: ExitStack) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self._work, self._writer = work, writer
        self._bar = Progress(
            TextColumn("{task.description}, step {task.completed} of {task.total}"),
            BarColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=writer is None or not console.is_terminal,
        )
        stack.enter_context(self._bar)
        self._task = self._bar.add_task("Preparing", total=1)
        self._stage = ""

    def __call__(self, stage: str, step: int, steps: int, found: dict[str, float]) -> None:
        if self._writer is None:
            return
        if stage != self._stage:
            self._stage = stage
            self._bar.reset(self._task, description=stage, total=steps)
        self._bar.update(self._task, completed=step)
        self._work.note(stage=stage, step=step, steps=steps, **found)
        self._writer.log("step", stage=stage, step=step, steps=steps, **found)


def _write(
    writer: RunWriter, result: Pretrained, config: PretrainConfig, work: Work, data: Run | None
) -> None:
    for file in write_checkpoint(
        result, writer.path / CHECKPOINT, config, data=_told(data, writer.path.name)
    ):
        relative = f"{CHECKPOINT}/{file.name}"
        writer.adopt_file(relative, relative, "application/octet-stream")
    steps = "".join(json.dumps(line) + "\n" for line in work.steps())
    writer.write_text("training_steps", "training_steps.jsonl", steps, "application/jsonl")
    prompts: list[dict[str, Any]] = [
        {
            "product_id": one.item.product_id,
            "title": one.item.title,
            "prompt": one.answer.text,
            "ended": one.answer.ended,
        }
        for one in result.written
    ]
    text = "".join(json.dumps(prompt, ensure_ascii=False) + "\n" for prompt in prompts)
    writer.write_text("validation_prompts", "validation_prompts.jsonl", text, "application/jsonl")
    for name, value in result.figures.items():
        writer.add_metric(name, value)
    writer.log("figures", **result.figures)


def _told(data: Run | None, run_id: str) -> str:
    if data is None:
        return f"Examples of the user's own; run {run_id}."
    words = f"Products and ads of run {data.run_id} ({data.manifest.verb})"
    if "creative_truth" in data.manifest.artifacts:
        words += ", a simulated shop: its tables of truth were read for figures alone"
    return f"{words}; run {run_id}."


def _file(path: Path) -> FileInput:
    return FileInput(path=str(path), sha256=sha256_file(path), n_bytes=path.stat().st_size)


def _interrupted(runs: Path, name: str) -> Path:
    folder = Path(name) if Path(name).is_dir() else runs / name
    if not folder.is_dir():
        raise ArtifactError(f"{folder}: no such run to go on with; see: caig runs --root {runs}")
    return folder


def _shared(folder: Path | None) -> Path:
    """The folder that the first process works in, told by it to the others."""
    from accelerate.utils import broadcast_object_list

    told = broadcast_object_list([None if folder is None else str(folder.resolve())])
    return Path(str(told[0]))
