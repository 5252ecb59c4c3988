"""A run of scores, written part by part so that a scoring that broke off can go on."""

import hashlib
import re
from pathlib import Path

import polars as pl

from caig.contracts.creatives import CREATIVE_PAIRS, PAIR_SCORES
from caig.data.sources import image_folder
from caig.errors import ArtifactError, DataError
from caig.reward.config import ScoreConfig
from caig.reward.score import scorer_from_text
from caig.runs.catalog import find_run, list_runs
from caig.runs.store import Run, RunWriter

MODEL_RUN = re.compile(r"(run|ref:(vam|cg4ctr|headline)):(?P<id>.+)")
"""Scorers that were trained by a run."""

PARTS = "parts"
"""Folder of the parts while a run is being written."""


def score_run(pairs_run: Run, config: ScoreConfig, *, runs: Path, resume: str | None) -> Path:
    """Score the pairs of a run.

    Args:
        pairs_run: Run of pairs.
        config: Which pairs, by what.
        runs: Folder of all runs.
        resume: Id of a scoring of the same pairs by the same scorer that broke off.

    Returns:
        Folder of the new run.

    Raises:
        DataError: There is no such pair, or a picture cannot be read.
        ArtifactError: Nothing to resume, or the parts are of other pairs.
    """
    from rich.progress import track

    pairs = pairs_run.table(CREATIVE_PAIRS.name)
    if config.split != "all":
        pairs = pairs.filter(pl.col("split") == config.split)
    if not pairs.height:
        raise DataError(f"{pairs_run.path}: no pair of split '{config.split}'; choose with --split")
    # The pairs of a product lie together, so that its ads are read once or twice, not once a pair.
    pairs = pairs.sort("product_id", "pair_id")
    scorer = scorer_from_text(
        config.scorer, runs=runs, batch_size=config.batch_size, options=config.options
    )
    images = image_folder(pairs_run)
    inputs = {"pairs": pairs_run}
    if model := MODEL_RUN.fullmatch(config.scorer):
        inputs["model"] = find_run(runs, model["id"])
    done = None if resume is None else unfinished_run(runs, resume) / PARTS
    starts = range(0, pairs.height, config.part_pairs)
    with RunWriter(runs, "score", config, inputs=inputs) as run:
        folder = run.path / PARTS
        folder.mkdir()
        for number, start in enumerate(track(starts, "Scoring", transient=True)):
            part = pairs.slice(start, config.part_pairs)
            scores = _finished(done, number, part, scorer.name)
            if scores is None:
                scores = scorer.score_pairs(part, images)
            unfinished = folder / "unfinished"
            scores.write_parquet(unfinished)
            unfinished.rename(folder / _part_name(number, part))
        files = sorted(folder.glob("*.parquet"))
        run.write_table(PAIR_SCORES, pl.concat([pl.read_parquet(file) for file in files]))
        run.add_metric("pairs", pairs.height)
        questions = getattr(scorer, "questions", None)
        if questions is not None:  # of a model behind an API: what became of each
            run.write_frame("questions", questions)
        for file in files:
            file.unlink()
        folder.rmdir()
    return run.path


def unfinished_run(runs: Path, name: str) -> Path:
    """Folder of the one unfinished run whose id contains ``name``.

    Raises:
        ArtifactError: None or several fit, or the one that fits is complete or still running.
    """
    fits = [entry for entry in list_runs(runs) if name in entry.run_id]
    if len(fits) != 1:
        raise ArtifactError(f"{runs}: {len(fits)} runs fit '{name}'; see: caig runs")
    if fits[0].status != "failed":
        raise ArtifactError(f"{fits[0].path}: nothing to resume: the run is {fits[0].status}")
    return fits[0].path


def _finished(
    folder: Path | None, number: int, part: pl.DataFrame, scorer: str
) -> pl.DataFrame | None:
    """The scores of a part, if the run that broke off got so far; unscored pairs have no rows."""
    if folder is None:
        return None
    file = folder / _part_name(number, part)
    if not file.is_file():
        if any(folder.glob(f"{number:06d}-*")):
            raise ArtifactError(f"{folder}: parts are of other pairs; start anew, without --resume")
        return None
    scores = pl.read_parquet(file)
    if not set(scores["scorer"].unique()) <= {scorer}:
        raise ArtifactError(f"{file}: of another scorer; start anew, without --resume")
    return scores


def _part_name(number: int, part: pl.DataFrame) -> str:
    digest = hashlib.sha256("\n".join(part["pair_id"]).encode()).hexdigest()
    return f"{number:06d}-{digest[:12]}.parquet"
