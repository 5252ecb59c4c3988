"""Reading the evidence of a gate: every suite_results and item_scores of the runs that are named.

Every file is held against the checksum in its run's manifest first; an altered file is refused, not
judged.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl

from caig.contracts.experiments import SUITE_RESULTS
from caig.contracts.gates import ITEM_SCORES
from caig.contracts.records import ArtifactRef, RunInput
from caig.errors import ArtifactError, CaigError
from caig.runs.catalog import find_run
from caig.runs.files import sha256_file
from caig.runs.store import Run


class Source(NamedTuple):
    """Where rows come from.

    Attributes:
        ref: The artifact.
        confidence: Two-sided confidence of the run's intervals; None if it states none.
        made_on: Day the run was finished (UTC).
    """

    ref: ArtifactRef
    confidence: float | None
    made_on: date


class Evidence(NamedTuple):
    """What a gate judges.

    Attributes:
        results: ``suite_results/1`` of all runs, with ``source``, a place in ``sources``.
        items: ``item_scores/1`` of all runs, likewise.
        sources: Artifacts read.
        runs: Runs named.
    """

    results: pl.DataFrame
    items: pl.DataFrame
    sources: tuple[Source, ...]
    runs: tuple[RunInput, ...]

    def subjects(self) -> list[str]:
        """Everything that was evaluated."""
        return sorted({*self.results["subject"].unique(), *self.items["subject"].unique()})


def open_runs(names: Sequence[Path], *, root: Path) -> list[Run]:
    """Open runs.

    Args:
        names: Folders, or ids or parts of them.
        root: Folder of all runs, where ids are looked for.

    Returns:
        The runs, by id: the order in which they are named changes nothing.

    Raises:
        CaigError: None is named, or one twice.
    """
    if not names:
        raise CaigError("name one or more runs with suite_results, e.g. of caig evaluate")
    opened = [Run.open(name) if name.is_dir() else find_run(root, str(name)) for name in names]
    ids = sorted(run.run_id for run in opened)
    repeated = sorted({name for name in ids if ids.count(name) > 1})
    if repeated:
        raise CaigError(f"run {repeated[0]} is named twice")
    return sorted(opened, key=lambda run: run.run_id)


def read_evidence(runs: Sequence[Run]) -> Evidence:
    """Read all tables a gate judges.

    Args:
        runs: The runs.

    Raises:
        ArtifactError: A run has no such table, or a file differs from its checksum.
        DataError: A table breaks its contract.
    """
    sources: list[Source] = []
    found: dict[str, list[pl.DataFrame]] = {
        SUITE_RESULTS.identifier: [],
        ITEM_SCORES.identifier: [],
    }
    for run in runs:
        names = [n for n, a in sorted(run.manifest.artifacts.items()) if a.format in found]
        if not names:
            raise ArtifactError(
                f"{run.path}: holds neither suite_results nor item_scores; name runs of "
                "evaluations, e.g. of caig evaluate"
            )
        for name in names:
            artifact = run.manifest.artifacts[name]
            if sha256_file(run.file(name)) != artifact.sha256:
                raise ArtifactError(
                    f"{run.file(name)}: differs from its checksum in the manifest; an altered file "
                    "is no evidence: make the run anew"
                )
            table = run.table(name).with_columns(source=pl.lit(len(sources), pl.Int64))
            found[artifact.format].append(table)
            ref = ArtifactRef(run_id=run.run_id, artifact=name, sha256=artifact.sha256)
            sources.append(Source(ref, _confidence(run), run.manifest.finished_at.date()))
    tables = {
        contract.identifier: pl.concat(
            [
                contract.empty().with_columns(source=pl.lit(None, pl.Int64)),
                *found[contract.identifier],
            ]
        )
        for contract in (SUITE_RESULTS, ITEM_SCORES)
    }
    return Evidence(
        tables[SUITE_RESULTS.identifier],
        tables[ITEM_SCORES.identifier],
        tuple(sources),
        tuple(run.as_input() for run in runs),
    )


def chosen_subjects(
    evidence: Evidence, candidate: str | None, incumbent: str | None
) -> tuple[str, str | None]:
    """Candidate and incumbent, as the evidence names them.

    Args:
        evidence: What was read.
        candidate: Name, or None for the only one there is.
        incumbent: Name, or None for none.

    Raises:
        CaigError: A name that the evidence does not have, one name for both, or no name where there
            are several.
    """
    subjects = evidence.subjects()
    there = f"evaluated: {', '.join(subjects) or 'nothing'}"
    if candidate is None:
        others = [name for name in subjects if name != incumbent]
        if len(others) != 1:
            raise CaigError(f"say which is the candidate: --candidate NAME; {there}")
        candidate = others[0]
    for option, name in (("candidate", candidate), ("incumbent", incumbent)):
        if name is not None and name not in subjects:
            raise CaigError(f"--{option} '{name}' is not in the evidence; {there}")
    if candidate == incumbent:
        raise CaigError(f"'{candidate}' cannot be both candidate and incumbent")
    return candidate, incumbent


def _confidence(run: Run) -> float | None:
    """Runs of suites state the level of their intervals as ``statistics.alpha``."""
    statistics = run.manifest.config.get("statistics")
    alpha = statistics.get("alpha") if isinstance(statistics, dict) else None
    return 1 - alpha if isinstance(alpha, float) and 0 < alpha < 1 else None
