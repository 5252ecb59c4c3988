"""Stages of an alignment that was cut off: which of them are complete, which can go on.

Every stage is a run of its own. A stage's run is recorded when it is complete; one that was killed
is found again by what it was about, as its folder tells.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from caig.errors import ArtifactError
from caig.mllm.work import FOLDER, TASK
from caig.runs.catalog import list_runs


def interrupted_run(runs: Path, name: str) -> Path:
    """Folder of the one interrupted run whose id contains ``name``.

    Raises:
        ArtifactError: None or several fit, or the one that fits is complete or still running.
    """
    if Path(name).is_dir():
        return Path(name)
    fits = [entry for entry in list_runs(runs) if name in entry.run_id]
    if len(fits) != 1:
        raise ArtifactError(f"{runs}: {len(fits)} runs fit '{name}'; see: caig runs")
    if fits[0].status != "failed":
        raise ArtifactError(f"{fits[0].path}: nothing to go on with: the run is {fits[0].status}")
    return fits[0].path


def interrupted_stage(runs: Path, verb: str, task: Mapping[str, Any]) -> Path | None:
    """Folder of an interrupted run of the same verb and task; None if there is none.

    Args:
        runs: Folder of all runs.
        verb: Command of the stage.
        task: What it is about, as it is written into its folder.
    """
    wanted = json.loads(json.dumps(dict(task)))
    for entry in list_runs(runs, verb=verb):
        file = entry.path / FOLDER / TASK
        if entry.status == "failed" and file.is_file() and json.loads(file.read_bytes()) == wanted:
            return entry.path
    return None
