"""From a run of ads to a run of pairs: split, checked for leakage, labelled, written in batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from caig.contracts.creatives import CLICK_PRIOR, CREATIVE_PAIRS, SPLITS
from caig.data.ads import counted_ads, without_shared
from caig.data.config import PairsConfig
from caig.data.leakage import refuse_shared, shared_pictures, with_near_copies_joined
from caig.data.pairs import Tally, pair_batches
from caig.data.prior import fit_prior
from caig.data.streaming import write_batches
from caig.errors import DataError
from caig.runs.store import Run, RunWriter


@dataclass(frozen=True)
class Labelled:
    """Ads that pairs can be made of.

    Attributes:
        ads: Columns of :func:`counted_ads`, and posterior_a, posterior_b.
        prior: ``click_prior/1``.
        n_shared: Ads left out because a split further from training shows their picture.
    """

    ads: pl.DataFrame
    prior: pl.DataFrame
    n_shared: int


def labelled_ads(run: Run, config: PairsConfig) -> Labelled:
    """Read the ads of a run, see to it that no picture is in two splits, and fit the prior.

    Args:
        run: Run of ads with counts.
        config: What counts.

    Raises:
        DataError: No ad counts, or a picture is in several splits and the configuration does not
            say what to do.
    """
    ads = counted_ads(run, min_impressions=config.min_impressions, split=config.split)
    if ads.is_empty():
        raise DataError(
            f"{run.path}: no ad has more than {config.min_impressions:,} impressions; lower "
            "min_impressions with --set min_impressions=N"
        )
    if config.near_copies:
        if "headlines" in run.manifest.artifacts:
            raise DataError(
                f"{run.path}: near_copies compares pictures, and these ads are headlines; leave "
                "it out"
            )
        ads = with_near_copies_joined(ads, run.path)
    kept = ads
    if config.shared_picture != "keep":
        shared = shared_pictures(ads)
        if config.shared_picture == "refuse":
            refuse_shared(shared, str(run.path))
        kept = without_shared(ads, shared)
    fit = fit_prior(kept, pooling=config.prior.pooling)
    posterior = kept.with_columns(
        posterior_a=pl.Series(fit.a, dtype=pl.Float64),
        posterior_b=pl.Series(fit.b, dtype=pl.Float64),
    )
    return Labelled(posterior, fit.categories, ads.height - kept.height)


def make_pairs(run: Run, config: PairsConfig, runs: Path) -> tuple[Path, Tally]:
    """Write the pairs of a run of ads as a run of their own.

    Args:
        run: Run of ads with counts: of ``caig ingest`` or ``caig make-data``.
        config: Which pairs.
        runs: Folder of all runs; the run of ads must lie in it, so that pictures are found.

    Returns:
        Folder of the new run, and what became of the candidates.

    Raises:
        DataError: There is no pair, or as by :func:`labelled_ads`.
    """
    if run.path.resolve().parent != runs.resolve():
        raise DataError(
            f"{run.path}: is not in the runs folder {runs}, where its pictures would be looked "
            f"for; write the pairs beside it: --runs {run.path.parent}"
        )
    labelled = labelled_ads(run, config)
    tally = Tally()
    batches = pair_batches(labelled.ads, config.rule, tally)
    # The first batch is drawn before there is a run, so that no pairs leave no run.
    first = next(batches, None)
    if first is None:
        raise DataError(
            f"{run.path}: rule '{config.rule}' keeps no pair: {funnel(tally, labelled)}"
        )

    def all_batches() -> Iterator[pl.DataFrame]:
        yield first
        yield from batches

    with RunWriter(runs, "pairs", config, inputs={"data": run}) as writer:
        write_batches(writer, CREATIVE_PAIRS, all_batches())
        writer.write_table(CLICK_PRIOR, labelled.prior)
        writer.add_metric("ads", labelled.ads.height)
        writer.add_metric("ads_with_shared_picture", labelled.n_shared)
        writer.add_metric("candidates", tally.candidates)
        for reason in ("same_picture", "no_click", "tied", "outside"):
            writer.add_metric(f"left_out_{reason}", getattr(tally, reason))
        writer.add_metric("pairs", tally.pairs)
        for split in SPLITS:
            writer.add_metric(f"pairs_{split}", tally.kept[split])
        writer.add_metric("left_better_share", tally.left_better / tally.pairs)
        writer.add_metric("expected_oracle_accuracy", tally.certainty / tally.pairs)
    return writer.path, tally


def funnel(tally: Tally, labelled: Labelled) -> str:
    """What became of the candidate pairs, in words."""
    n_products = labelled.ads["product_id"].n_unique()
    return (
        f"{labelled.ads.height:,} ads count, of {n_products:,} products; "
        f"{tally.candidates:,} candidate pairs; left out: {tally.same_picture:,} of one picture, "
        f"{tally.no_click:,} with an ad without a click, {tally.tied:,} tied, {tally.outside:,} "
        "outside the rule's bounds"
    )
