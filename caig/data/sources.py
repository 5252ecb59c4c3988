"""Where a run's pictures, ads and products are: found through what the run was made from.

A run of pairs, scores or a model holds no pictures; the run of data behind it does. Runs are looked
for beside each other, under one runs folder, and must be what they were when they were used.
"""

from pathlib import Path

import polars as pl

from caig.errors import ArtifactError
from caig.runs.catalog import find_run
from caig.runs.store import Run

ADS = {"creatives", "headlines"}
"""Tables of ads: of pictures, or of words."""

ROLES = ("data", "pairs")
"""Inputs that are followed towards the data, in this order."""


def open_run(name: Path, runs: Path) -> Run:
    """A run by its folder, or by its id or a part of it under ``runs``.

    Args:
        name: Folder, id, or part of an id that names one run.
        runs: Folder of all runs.

    Raises:
        ArtifactError: No such run, several, or an unfinished one.
    """
    return Run.open(name) if name.is_dir() else find_run(runs, str(name))


def data_run(run: Run) -> Run:
    """The run that holds the ads: ``run`` itself, or the one it was made from.

    Args:
        run: Run of ads, of pairs, or of anything made from pairs.

    Raises:
        ArtifactError: None of its inputs leads to ads, or one is gone or has changed since.
    """
    if ADS & set(run.manifest.artifacts):
        return run
    for role in ROLES:
        if role in run.manifest.inputs:
            return data_run(_input(run, role))
    raise ArtifactError(
        f"{run.path}: it holds no creatives and was made from none: it has neither of the inputs "
        f"{', '.join(ROLES)}"
    )


def image_folder(run: Run) -> Path:
    """Folder that the image paths of the ads behind ``run`` are relative to."""
    return data_run(run).path


def creatives_of(run: Run) -> pl.DataFrame:
    """``creatives/1`` of the ads behind ``run``."""
    return data_run(run).table("creatives")


def products_of(run: Run) -> pl.DataFrame | None:
    """``products/1`` of the ads behind ``run``; None where the log told nothing of products.

    Ads that were generated lie in one run, the products they were painted for in another.
    """
    source = data_run(run)
    if "products" in source.manifest.artifacts:
        return source.table("products")
    if "products" in source.manifest.inputs:
        return _input(source, "products").table("products")
    return None


def _input(run: Run, role: str) -> Run:
    used = run.manifest.inputs[role]
    folder = run.path.resolve().parent / used.run_id
    if not folder.is_dir():
        raise ArtifactError(
            f"{run.path}: it was made from {used.run_id}, which is not beside it in "
            f"{folder.parent}; put that run there"
        )
    found = Run.open(folder)
    if found.as_input() != used:
        raise ArtifactError(f"{folder}: its manifest has changed since {run.run_id} was made")
    return found
