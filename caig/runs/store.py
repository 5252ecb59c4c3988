"""Run folders: written once, then only read.

A run is a folder under a runs root. While it is written it has ``manifest.partial.json``; when all
is on disk, ``manifest.json`` appears by rename and the partial one goes. So the manifest's
existence means that the run is complete, a crash at any moment leaves a run that is listed as
failed, and nothing has to be cleaned up. There is no "latest" link: the latest run is a question to
ask of the catalogue.
"""

import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl
from pydantic import ValidationError

from caig.config import Config, passed_values, to_toml
from caig.contracts.records import Artifact, FileInput, PartialManifest, RunInput, RunManifest
from caig.contracts.table import TableContract, check
from caig.contracts.tables import find_contract
from caig.errors import ArtifactError
from caig.runs.files import sha256_file, sync_folder, write_atomic
from caig.runs.provenance import code_version, environment

MANIFEST = "manifest.json"
PARTIAL = "manifest.partial.json"
LOG = "log.jsonl"
READ_ONLY = 0o444


class RunWriter:
    """A run being written; a context manager that completes the run or records why it failed.

    Args:
        root: Folder of all runs; made if missing.
        verb: Command that makes the run.
        config: Its configuration.
        inputs: Runs it is made from, by role.
        files: Files outside any run it is made from.
        seed: Its seed; None if nothing is random.
        started_at: When the work began (UTC); now by default.

    Raises:
        ArtifactError: ``root`` cannot be written.
    """

    def __init__(
        self,
        root: Path,
        verb: str,
        config: Config,
        *,
        inputs: Mapping[str, "Run"] | None = None,
        files: tuple[FileInput, ...] = (),
        seed: int | None = None,
        started_at: datetime | None = None,
    ) -> None:
        self._verb = verb
        self._config = config
        self._inputs = {role: run.as_input() for role, run in (inputs or {}).items()}
        self._files = files
        self._seed = seed
        self._started_at = started_at or datetime.now(UTC)
        self._artifacts: dict[str, Artifact] = {}
        self._metrics: dict[str, float] = {}
        self.path = _new_folder(root, verb, self._started_at)

    @property
    def run_id(self) -> str:
        """Folder name of the run."""
        return self.path.name

    def __enter__(self) -> Self:
        self._write_partial(error=None)
        self._add_bytes("config", "config.toml", to_toml(self._config).encode(), "text/toml")
        self.log("started", verb=self._verb)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._write_partial(error=f"{type(error).__name__}: {error}")
            return
        try:
            self.log("finished")
            self._artifacts["log"] = self._described(LOG, "application/jsonl")
            self._complete()
        except BaseException as failure:
            self._write_partial(error=f"{type(failure).__name__}: {failure}")
            raise

    def write_table(self, contract: TableContract, frame: pl.DataFrame, name: str = "") -> None:
        """Check ``frame``, then store it as Parquet; its name is the contract's by default."""
        name = name or contract.name
        checked = check(frame, contract, source=f"{self.run_id}/{name}")
        relative = f"{name}.parquet"
        self._refuse_repeat(name)
        checked.write_parquet(self.path / relative, compression="zstd", statistics=True)
        self._artifacts[name] = self._described(relative, contract.identifier, checked.height)

    def adopt_table(self, contract: TableContract, relative: str, n_rows: int) -> None:
        """Record a Parquet file written into the folder in pieces; its writer checked each."""
        self._refuse_repeat(contract.name)
        self._artifacts[contract.name] = self._described(relative, contract.identifier, n_rows)

    def write_text(self, name: str, relative: str, text: str, media_type: str) -> None:
        """Store a text file, e.g. a report."""
        self._add_bytes(name, relative, text.encode(), media_type)

    def write_bytes(self, name: str, relative: str, content: bytes, media_type: str) -> None:
        """Store a file of any kind, e.g. a picture."""
        self._add_bytes(name, relative, content, media_type)

    def adopt_file(self, name: str, relative: str, media_type: str) -> None:
        """Record a file that was written into the folder, e.g. weights too large to hold twice."""
        self._refuse_repeat(name)
        self._artifacts[name] = self._described(relative, media_type)

    def write_frame(self, name: str, frame: pl.DataFrame) -> None:
        """Store a table that has no contract because its columns are the user's own."""
        self._refuse_repeat(name)
        relative = f"{name}.parquet"
        frame.write_parquet(self.path / relative, compression="zstd")
        self._artifacts[name] = self._described(
            relative, "application/vnd.apache.parquet", frame.height
        )

    def add_metric(self, name: str, value: float | None) -> None:
        """Record a headline figure; an unknown one (None) is left out, not stored as a number."""
        if value is not None:
            self._metrics[name] = float(value)

    def log(self, event: str, **fields: Any) -> None:
        """Append one event to ``log.jsonl``."""
        line = {"t": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
        with (self.path / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")

    def _add_bytes(self, name: str, relative: str, content: bytes, media_type: str) -> None:
        self._refuse_repeat(name)
        (self.path / relative).write_bytes(content)
        self._artifacts[name] = self._described(relative, media_type)

    def _refuse_repeat(self, name: str) -> None:
        assert name not in self._artifacts, f"artifact '{name}' is written twice"

    def _described(self, relative: str, format_: str, n_rows: int | None = None) -> Artifact:
        path = self.path / relative
        with path.open("rb") as file:
            os.fsync(file.fileno())
        return Artifact(
            path=relative,
            format=format_,
            sha256=sha256_file(path),
            n_bytes=path.stat().st_size,
            n_rows=n_rows,
        )

    def _write_partial(self, *, error: str | None) -> None:
        partial = PartialManifest(
            run_id=self.run_id,
            verb=self._verb,
            started_at=self._started_at,
            pid=os.getpid(),
            host=socket.gethostname(),
            error=error,
        )
        write_atomic(self.path / PARTIAL, partial.model_dump_json(indent=2).encode())

    def _complete(self) -> None:
        manifest = RunManifest(
            run_id=self.run_id,
            verb=self._verb,
            config=self._config.model_dump(mode="json"),
            config_passed=passed_values(self._config),
            seed=self._seed,
            inputs=self._inputs,
            files=self._files,
            artifacts=self._artifacts,
            metrics=self._metrics,
            code=code_version(),
            environment=environment(),
            started_at=self._started_at,
            finished_at=datetime.now(UTC),
        )
        for artifact in self._artifacts.values():
            (self.path / artifact.path).chmod(READ_ONLY)
        sync_folder(self.path)
        write_atomic(self.path / MANIFEST, manifest.model_dump_json(indent=2).encode())
        (self.path / MANIFEST).chmod(READ_ONLY)
        (self.path / PARTIAL).unlink()
        sync_folder(self.path.parent)


@dataclass(frozen=True)
class Run:
    """A complete run, for reading.

    Attributes:
        path: Its folder.
        manifest: What it is.
    """

    path: Path
    manifest: RunManifest

    @classmethod
    def open(cls, path: Path) -> "Run":
        """Open the complete run in ``path``.

        Raises:
            ArtifactError: No such folder, no manifest (the run is unfinished or failed), or a
                manifest that this release cannot read.
        """
        file = path / MANIFEST
        if not file.is_file():
            why = "unfinished or failed run" if (path / PARTIAL).is_file() else "no run"
            raise ArtifactError(f"{path}: {why}: there is no {MANIFEST}")
        return cls(path, read_manifest(file))

    @property
    def run_id(self) -> str:
        """Folder name of the run."""
        return self.manifest.run_id

    def as_input(self) -> RunInput:
        """This run as another's lineage."""
        return RunInput(run_id=self.run_id, manifest_sha256=sha256_file(self.path / MANIFEST))

    def file(self, name: str) -> Path:
        """Path of an artifact.

        Raises:
            ArtifactError: The run has no such artifact, or its file is gone or outside the run.
        """
        artifact = self.manifest.artifacts.get(name)
        if artifact is None:
            have = ", ".join(sorted(self.manifest.artifacts))
            raise ArtifactError(f"{self.path}: no artifact '{name}'; it has: {have}")
        path = self.path / artifact.path
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise ArtifactError(f"{self.path}: artifact '{name}' points outside the run")
        if not path.is_file():
            raise ArtifactError(f"{path}: artifact '{name}' is missing")
        return path

    def table(self, name: str) -> pl.DataFrame:
        """Read a table and check it against the contract its manifest names.

        Raises:
            ArtifactError: No such artifact, unknown format, or a file that is no Parquet.
            DataError: The table breaks its contract.
        """
        path = self.file(name)
        contract = find_contract(self.manifest.artifacts[name].format)
        try:
            frame = pl.read_parquet(path)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise ArtifactError(f"{path}: not readable as Parquet: {error}") from None
        return check(frame, contract, source=str(path))

    def problems(self) -> list[str]:
        """Artifacts that are missing or differ from their checksums; empty if the run is intact."""
        found = []
        for name, artifact in sorted(self.manifest.artifacts.items()):
            try:
                actual = sha256_file(self.file(name))
            except ArtifactError as error:
                found.append(str(error))
                continue
            if actual != artifact.sha256:
                found.append(
                    f"{self.path / artifact.path}: content changed: sha256 {actual[:12]}..., "
                    f"manifest says {artifact.sha256[:12]}..."
                )
        return found


def read_manifest(file: Path) -> RunManifest:
    """Parse a manifest.

    Raises:
        ArtifactError: The file is no manifest, or of a format this release does not know.
    """
    try:
        content = json.loads(file.read_bytes())
    except (ValueError, OSError) as error:
        raise ArtifactError(f"{file}: not a readable manifest: {error}") from None
    found = content.get("format") if isinstance(content, dict) else None
    if found != "run/1":
        raise ArtifactError(f"{file}: manifest format {found!r}; this release reads run/1")
    try:
        manifest = RunManifest.model_validate(content)
    except ValidationError as error:
        keys = ", ".join(".".join(map(str, item["loc"])) for item in error.errors())
        raise ArtifactError(f"{file}: manifest does not fit run/1 at: {keys}") from None
    if manifest.run_id != file.parent.resolve().name:  # resolved, as the folder may be '.'
        raise ArtifactError(f"{file}: is the manifest of {manifest.run_id}, not of this folder")
    return manifest


def _new_folder(root: Path, verb: str, started_at: datetime) -> Path:
    try:
        root.mkdir(parents=True, exist_ok=True)
        while True:
            path = root / f"{started_at:%Y%m%dT%H%M%S}-{verb}-{secrets.token_hex(2)}"
            try:
                path.mkdir()
            except FileExistsError:
                continue
            return path
    except OSError as error:
        raise ArtifactError(f"{root}: cannot write runs here: {error.strerror}") from None
