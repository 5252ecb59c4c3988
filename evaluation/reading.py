"""Reading what an evaluation is made from: runs of pairs and runs of scores."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from caig.contracts.creatives import CREATIVE_COUNTS
from caig.errors import ArtifactError, CaigError, DataError, Problem
from caig.runs.catalog import find_run
from caig.runs.store import MANIFEST, Run
from evaluation.config import EvaluateConfig
from evaluation.metrics.dispersion import DayCounts, variance_factor
from evaluation.metrics.intervals import Interval
from evaluation.suites.scored_pairs import PairData, Scored, pair_data, scored

PAIRS_ROLE, DATA_ROLE = "pairs", "data"


class Evidence(NamedTuple):
    """What is evaluated.

    Attributes:
        pairs: The pairs, as arrays.
        scorers: Their scorers.
        runs: Runs read, by role.
        variance_factor: Variance of clicks over the binomial one, as taken.
        seen_by_day: The same as counts by day show it; None without such counts.
        has_all_ads: True if counts of ads that are in no pair were found too.
        filter_names: Pair rules that kept the pairs.
    """

    pairs: PairData
    scorers: list[Scored]
    runs: dict[str, Run]
    variance_factor: float
    seen_by_day: Interval | None
    has_all_ads: bool
    filter_names: list[str]


def read_evidence(
    pairs_run: Path, scores_runs: Sequence[Path], config: EvaluateConfig, *, root: Path
) -> Evidence:
    """Read pairs, scores and the counts of all ads.

    Args:
        pairs_run: Run with ``creative_pairs``: its folder, or its id or a part of it.
        scores_runs: Runs with ``pair_scores`` of these pairs.
        config: Which split.
        root: Folder of all runs, where ids are looked for.

    Raises:
        CaigError: There is no scores run, or one that was made from other pairs.
        DataError: The split has no pair, or a run scores none of them.
    """
    if not scores_runs:
        raise CaigError("name one or more runs of scores beside the run of pairs")
    run = _opened(pairs_run, root)
    pairs = run.table("creative_pairs")
    split = config.scoring.split
    kept = pairs if split == "all" else pairs.filter(pl.col("split") == split)
    if kept.height == 0:
        have = ", ".join(sorted(pairs["split"].unique())) or "none"
        problem = Problem("split", f"no pair is of split {split}")
        raise DataError.from_problems(
            f"{run.path}/creative_pairs", [problem], f"splits found: {have} (scoring.split)"
        )
    data_run = _data_run(run)
    runs = {PAIRS_ROLE: run}
    ads = seen = None
    if data_run is not None:
        runs[DATA_ROLE] = data_run
        ads = _all_ads(data_run, pairs)
        seen = _seen_by_day(data_run)
    factor = _factor(seen, config)
    scorers = []
    for place, path in enumerate(scores_runs, start=1):
        scores_run = _opened(path, root)
        _refuse_other_pairs(scores_run, run)
        runs[f"scores_{place}"] = scores_run
        scorers += scored(
            kept,
            scores_run.table("pair_scores"),
            scores_run=scores_run.run_id,
            rulers=config.scoring.rulers,
        )
    return Evidence(
        pair_data(kept, ads, variance_factor=factor),
        told_apart(scorers),
        runs,
        factor,
        seen,
        ads is not None,
        sorted(kept["filter"].unique()),
    )


def told_apart(scorers: Sequence[Scored]) -> list[Scored]:
    """Scorers whose names differ: those of one name, e.g. seeds of a model, add their run's end.

    Args:
        scorers: Scorers of all runs.

    Raises:
        CaigError: A run is named twice.
    """
    names = [scorer.name for scorer in scorers]
    renamed = [
        scorer
        if names.count(scorer.name) == 1
        else scorer._replace(name=f"{scorer.name} @{scorer.scores_run.rpartition('-')[2]}")
        for scorer in scorers
    ]
    seen = set()
    for scorer in renamed:
        if scorer.name in seen:
            raise CaigError(f"scorer '{scorer.name}' comes twice; name every run of scores once")
        seen.add(scorer.name)
    return renamed


def _opened(name: Path, root: Path) -> Run:
    return Run.open(name) if name.is_dir() else find_run(root, str(name))


def _data_run(pairs_run: Run) -> Run | None:
    """The run the pairs were made from, if it lies beside them, unchanged, and counts ads."""
    used = pairs_run.manifest.inputs.get(DATA_ROLE)
    if used is None:
        return None
    folder = pairs_run.path.resolve().parent / used.run_id
    if not (folder / MANIFEST).is_file():
        return None
    run = Run.open(folder)
    if run.as_input() != used:
        raise ArtifactError(f"{folder}: its manifest has changed since the pairs were made from it")
    has_counts = CREATIVE_COUNTS.name in run.manifest.artifacts and _ads_table(run) is not None
    return run if has_counts else None


def _ads_table(data_run: Run) -> str | None:
    """Which table tells the product of every ad; None where none does."""
    return next((n for n in ("creatives", "headlines") if n in data_run.manifest.artifacts), None)


def _products_of_ads(data_run: Run) -> pl.DataFrame:
    """Columns creative_id, product_id."""
    name = _ads_table(data_run)
    assert name
    return data_run.table(name).select("creative_id", "product_id")


def _all_ads(data_run: Run, pairs: pl.DataFrame) -> pl.DataFrame:
    """Counts of every ad of the data; the category of a product comes from the catalogue."""
    ads = data_run.table(CREATIVE_COUNTS.name).join(_products_of_ads(data_run), on="creative_id")
    has_catalogue = "products" in data_run.manifest.artifacts
    catalogue = data_run.table("products") if has_catalogue else pairs
    return ads.join(
        catalogue.select("product_id", "category").unique("product_id"),
        on="product_id",
        how="left",
        maintain_order="left",
    )


def _seen_by_day(data_run: Run) -> Interval | None:
    """Variance of clicks over the binomial one, from counts by day."""
    if "creative_days" not in data_run.manifest.artifacts:
        return None
    days = (
        data_run.table("creative_days")
        .filter(pl.col("n_impressions") > 0)
        .join(_products_of_ads(data_run), on="creative_id")
    )
    if days.height == 0:
        return None
    ad, product, day = (
        (days[name].rank("dense") - 1).to_numpy().astype(np.int64)
        for name in ("creative_id", "product_id", "day")
    )
    impressions, clicks = (
        days[name].to_numpy().astype(float) for name in ("n_impressions", "n_clicks")
    )
    return variance_factor(DayCounts(ad, product, day, impressions, clicks))


def _factor(seen: Interval | None, config: EvaluateConfig) -> float:
    stated = config.statistics.variance_factor
    if not isinstance(stated, str):
        return stated
    if seen is None or seen.estimate is None:
        raise CaigError(
            'statistics.variance_factor = "from_days" needs creative_days with two ads of a '
            "product on two days in the run the pairs were made from; there are none: state a "
            "number"
        )
    return max(seen.estimate, 1.0)


def _refuse_other_pairs(scores_run: Run, pairs_run: Run) -> None:
    used = scores_run.manifest.inputs.get(PAIRS_ROLE)
    if used is not None and used != pairs_run.as_input():
        raise CaigError(
            f"{scores_run.path}: these scores are of the pairs of {used.run_id}, not of "
            f"{pairs_run.run_id}"
        )
