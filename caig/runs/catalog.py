"""What runs there are: listed from their folders, newest first. No index, no database."""

import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from caig.contracts.records import PartialManifest, RunManifest
from caig.errors import ArtifactError
from caig.runs.store import MANIFEST, PARTIAL, Run, read_manifest

Status = Literal["complete", "running", "failed", "corrupt"]

RUN_ID = re.compile(r"\d{8}T\d{6}-(?P<verb>.+)-[0-9a-f]{4}")


@dataclass(frozen=True)
class RunEntry:
    """One run folder as the catalogue sees it.

    Attributes:
        path: Its folder.
        status: complete; running (its process is alive); failed (error, or killed); corrupt (its
            manifest cannot be read).
        verb: Command that made it; empty if unknown.
        started_at: When it began (UTC); None if unknown.
        manifest: What it is; None unless complete.
        detail: Why it is not complete; empty if it is.
    """

    path: Path
    status: Status
    verb: str
    started_at: datetime | None
    manifest: RunManifest | None
    detail: str

    @property
    def run_id(self) -> str:
        """Folder name of the run."""
        return self.path.name


def list_runs(root: Path, *, verb: str | None = None) -> list[RunEntry]:
    """All runs under ``root``, newest first.

    Args:
        root: Folder of all runs. One that does not exist holds no runs.
        verb: Only runs of this command.
    """
    if not root.is_dir():
        return []
    folders = sorted((f for f in root.iterdir() if f.is_dir()), key=lambda f: f.name, reverse=True)
    entries = [entry for folder in folders if (entry := _entry(folder)) is not None]
    return [entry for entry in entries if verb in (None, entry.verb)]


def find_run(root: Path, run_id: str) -> Run:
    """The complete run whose id is ``run_id``, or contains it if that names one run.

    Raises:
        ArtifactError: None or several fit, or the run is not complete.
    """
    entries = list_runs(root)
    fits = [e for e in entries if e.run_id == run_id] or [e for e in entries if run_id in e.run_id]
    if len(fits) != 1:
        which = ", ".join(e.run_id for e in fits[:5]) if fits else "see: caig runs"
        raise ArtifactError(f"{root}: {len(fits)} runs fit '{run_id}': {which}")
    return Run.open(fits[0].path)


def lineage(root: Path, run: Run) -> Iterator[tuple[int, str, RunEntry | str]]:
    """The runs ``run`` was made from, depth first.

    Yields:
        Depth (1 for a direct input), role, and the input's entry; or its id and why there is no
        entry: it is not complete under ``root``, or its manifest is no longer the one that was
        used.
    """
    for role, used in run.manifest.inputs.items():
        folder = root / used.run_id
        entry = _entry(folder) if folder.is_dir() else None
        if entry is None or entry.manifest is None:
            yield 1, role, f"{used.run_id} (not in {root})"
            continue
        source = Run.open(folder)
        if source.as_input() != used:
            yield 1, role, f"{used.run_id} (its manifest has changed since)"
            continue
        yield 1, role, entry
        yield from ((depth + 1, r, e) for depth, r, e in lineage(root, source))


def _entry(folder: Path) -> RunEntry | None:
    if (folder / MANIFEST).is_file():
        try:
            manifest = read_manifest(folder / MANIFEST)
        except ArtifactError as error:
            return RunEntry(folder, "corrupt", "", None, None, str(error))
        return RunEntry(folder, "complete", manifest.verb, manifest.started_at, manifest, "")
    if (folder / PARTIAL).is_file():
        return _unfinished(folder)
    if named := RUN_ID.fullmatch(folder.name):
        why = f"it holds neither {MANIFEST} nor {PARTIAL}"
        return RunEntry(folder, "failed", named["verb"], None, None, why)
    return None


def _unfinished(folder: Path) -> RunEntry:
    try:
        partial = PartialManifest.model_validate_json((folder / PARTIAL).read_bytes())
    except (ValidationError, OSError) as error:
        return RunEntry(folder, "corrupt", "", None, None, f"{PARTIAL}: {error}")
    if partial.error is None and _is_alive(partial):
        status: Status = "running"
        detail = f"process {partial.pid}"
    else:
        status = "failed"
        detail = partial.error or _lost(partial)
    return RunEntry(folder, status, partial.verb, partial.started_at, None, detail)


def _lost(partial: PartialManifest) -> str:
    if partial.host != socket.gethostname():
        return f"unfinished; its process {partial.pid} on {partial.host} cannot be seen from here"
    return f"its process {partial.pid} ended without finishing it"


def _is_alive(partial: PartialManifest) -> bool:
    if partial.host != socket.gethostname():
        return False
    try:
        os.kill(partial.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
