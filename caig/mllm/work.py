"""What a training run keeps while it works, so that a killed one can go on: its folder ``work/``.

    work/task.json         configuration and inputs; a run that goes on must have the same
    work/steps.jsonl       what was measured, of all stages
    work/<stage>/          checkpoints of a stage under way
    work/<stage>-done/     the model after a stage, put there by rename when it is complete

A run that goes on takes over the folder of the interrupted one.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from caig.errors import ArtifactError
from caig.mllm.load import Mllm, save_mllm
from caig.runs.files import write_atomic
from caig.runs.store import MANIFEST

FOLDER = "work"
TASK, STEPS, FIGURES = "task.json", "steps.jsonl", "figures.json"


class Work:
    """The folder of a run under way.

    Args:
        folder: ``work/`` of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def stage(self, name: str) -> Path:
        """Folder of a stage's checkpoints."""
        return self.folder / name

    def done(self, name: str) -> Path | None:
        """Folder of the model after a stage; None if the stage is not complete."""
        folder = self._done(name)
        return folder if folder.is_dir() else None

    def finish(self, name: str, mllm: Mllm, figures: Mapping[str, float]) -> Path:
        """Keep the model after a stage, durably, and let its checkpoints go."""
        draft = self.folder / f"{name}-draft"
        shutil.rmtree(draft, ignore_errors=True)
        save_mllm(mllm, draft)
        write_atomic(draft / FIGURES, json.dumps(dict(figures)).encode())
        draft.rename(self._done(name))
        shutil.rmtree(self.stage(name), ignore_errors=True)
        return self._done(name)

    def figures(self, name: str) -> dict[str, float]:
        """What was measured at the end of a stage."""
        figures: dict[str, float] = json.loads((self._done(name) / FIGURES).read_bytes())
        return figures

    def note(self, **fields: Any) -> None:
        """Append one line to ``steps.jsonl``."""
        with (self.folder / STEPS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(fields) + "\n")

    def steps(self) -> list[dict[str, Any]]:
        """All lines, the latest of each stage and step: a run that went on repeats some."""
        file = self.folder / STEPS
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        latest: dict[tuple[str, int], dict[str, Any]] = {}
        for line in lines:
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue  # killed while it was written
            latest[entry["stage"], entry["step"]] = entry
        return list(latest.values())

    def _done(self, name: str) -> Path:
        return self.folder / f"{name}-done"


def begin_work(run: Path, task: Mapping[str, Any], resume: Path | None) -> Work:
    """Make the folder of a new run, or take over that of an interrupted one.

    Args:
        run: Folder of the new run.
        task: What is to be done: configuration and inputs.
        resume: Folder of the interrupted run, or None.

    Raises:
        ArtifactError: The interrupted run has nothing to go on from, or had another task.
    """
    folder = run / FOLDER
    text = json.dumps(dict(task), indent=2, sort_keys=True)
    if resume is None:
        folder.mkdir()
        write_atomic(folder / TASK, text.encode())
        return Work(folder)
    if (resume / MANIFEST).exists():
        raise ArtifactError(f"{resume}: is complete; there is nothing to go on with")
    old = resume / FOLDER
    if not (old / TASK).is_file():
        raise ArtifactError(f"{resume}: has no {FOLDER}/{TASK}: begin anew, without --resume")
    before, now = json.loads((old / TASK).read_bytes()), json.loads(text)
    if before != now:
        where = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
        raise ArtifactError(
            f"{resume}: was of another task ({', '.join(where)} differ): "
            "use the same data and configuration, or begin anew without --resume"
        )
    old.rename(folder)
    return Work(folder)
