"""What the pages show, read from run folders and nowhere else.

A page asks for the rows of one experiment; only those are loaded, so a run with thousands of
experiments opens as fast as a run with one. Every slice passes its contract. Messages of this
module hold no paths, because they end up on a screen that may be shared.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import streamlit as st

from caig.contracts.experiments import ALL_CATEGORIES
from caig.contracts.table import check
from caig.contracts.tables import find_contract
from caig.errors import ArtifactError, CaigError, DataError
from caig.runs.catalog import RunEntry, list_runs
from caig.runs.store import Run

VERB = "lift"


@dataclass(frozen=True)
class LiftRuns:
    """The runs of a folder, as far as these pages are concerned.

    Attributes:
        complete: Complete lift runs by id, newest first.
        n_running: Lift runs still being made.
        n_failed: Lift runs that failed.
        corrupt: Folder names of runs, of any command, whose manifest cannot be read.
    """

    complete: dict[str, RunEntry]
    n_running: int
    n_failed: int
    corrupt: tuple[str, ...]


def runs_root(arguments: Sequence[str] | None = None) -> Path:
    """Folder of all runs: the application's only argument, ``runs`` by default."""
    words = sys.argv[1:] if arguments is None else arguments
    return Path(words[0]) if words else Path("runs")


def lift_runs(root: Path) -> LiftRuns:
    """List the runs under ``root``."""
    entries = list_runs(root)
    lifts = [entry for entry in entries if entry.verb == VERB]
    return LiftRuns(
        complete={entry.run_id: entry for entry in lifts if entry.status == "complete"},
        n_running=sum(entry.status == "running" for entry in lifts),
        n_failed=sum(entry.status == "failed" for entry in lifts),
        corrupt=tuple(entry.run_id for entry in entries if entry.status == "corrupt"),
    )


@dataclass(frozen=True)
class Selection:
    """What the reader chose.

    Attributes:
        run: The run.
        experiment: One of its experiments.
        contrast: One of that experiment's contrasts.
        n_experiments: Experiments in the run (count).
    """

    run: Run
    experiment: str
    contrast: str
    n_experiments: int

    def rows(self, table: str) -> pl.DataFrame:
        """The experiment's rows of a table; those of the contrast, where the table has contrasts.

        Raises:
            CaigError: The run has no such table, or it cannot be used.
        """
        frame = experiment_rows(self.run, table, self.experiment)
        if "contrast" in frame.columns:
            frame = frame.filter(pl.col("contrast") == self.contrast)
        return frame

    def text_file(self, artifact: str) -> Path | None:
        """Path of a report, or None if the run has none."""
        try:
            return self.run.file(artifact)
        except ArtifactError:
            return None


def experiments(run: Run) -> dict[str, list[str]]:
    """Contrasts of every experiment of a run, in the table's order.

    Raises:
        CaigError: The run has no lift table, or it cannot be used.
    """
    path, _ = _located(run, "lift_table")
    pairs = read_contrasts(str(path), path.stat().st_mtime_ns)
    grouped = pairs.group_by("experiment_id", maintain_order=True).agg("contrast")
    return dict(grouped.iter_rows())


def experiment_rows(run: Run, table: str, experiment: str) -> pl.DataFrame:
    """Rows of one experiment of one table of a run.

    Raises:
        CaigError: The run has no such table, or it cannot be used.
    """
    path, contract = _located(run, table)
    return read_table(str(path), path.stat().st_mtime_ns, contract, "experiment_id", experiment)


def overall_rows(run: Run) -> pl.DataFrame:
    """The overall row of every experiment and contrast of a run, as ``lift_table/1``.

    Raises:
        CaigError: As :func:`experiment_rows`.
    """
    path, contract = _located(run, "lift_table")
    return read_table(str(path), path.stat().st_mtime_ns, contract, "category", ALL_CATEGORIES)


@st.cache_data(max_entries=32, show_spinner=False)
def read_table(path: str, mtime_ns: int, contract: str, column: str, value: str) -> pl.DataFrame:
    """The rows of a Parquet file where ``column`` is ``value``, checked against a contract.

    Args:
        path: The file.
        mtime_ns: When it last changed (ns); a changed file is another entry of the cache.
        contract: Identifier of its format, e.g. ``lift_table/1``.
        column: Column to select by.
        value: Its value.

    Raises:
        ArtifactError: The file is no Parquet file.
        DataError: The rows break the contract.
    """
    name = Path(path).name
    try:
        frame = pl.scan_parquet(path, glob=False).filter(pl.col(column) == value).collect()
    except (pl.exceptions.PolarsError, OSError):
        raise ArtifactError(f"{name} cannot be read as {contract}") from None
    try:
        return check(frame, find_contract(contract), source=name)
    except DataError:
        raise DataError(f"{name} does not keep to {contract}") from None


@st.cache_data(max_entries=32, show_spinner=False)
def read_contrasts(path: str, mtime_ns: int) -> pl.DataFrame:
    """Distinct pairs of ``experiment_id`` and ``contrast`` of a lift table, in its order.

    Args:
        path: The file.
        mtime_ns: When it last changed (ns).

    Raises:
        ArtifactError: The file is no Parquet file, or has no such columns.
    """
    try:
        pairs = pl.scan_parquet(path, glob=False).select("experiment_id", "contrast")
        return pairs.unique(maintain_order=True).collect()
    except (pl.exceptions.PolarsError, OSError):
        raise ArtifactError(f"{Path(path).name} cannot be read as lift_table/1") from None


def _located(run: Run, table: str) -> tuple[Path, str]:
    """Where a table lies and its format, which must be the one these pages know."""
    expected = find_contract(f"{table}/1").identifier
    artifact = run.manifest.artifacts.get(table)
    if artifact is None:
        raise ArtifactError(f"the run has no {table}")
    if artifact.format != expected:
        raise ArtifactError(f"{table} has format {artifact.format}; these pages read {expected}")
    try:
        return run.file(table), expected
    except CaigError:
        raise ArtifactError(f"the run's {table} is missing from its folder") from None
