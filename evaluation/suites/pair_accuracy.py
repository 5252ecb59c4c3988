"""Suite ``pair_accuracy``: how often scorers pick the ad that was clicked more.

Accuracy stands beside the ceiling that chance in the labels puts on it, estimated from the counts
themselves; beside rulers that look at no content; and beside its denominators. All intervals are
clustered by product and hold one at a time.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy import special

from caig.contracts.evaluations import POSITION_BIAS, RELIABILITY, SCORER_COUNTS
from caig.contracts.experiments import SUITE_RESULTS
from evaluation.config import EvaluateConfig, Slices
from evaluation.metrics.calibration import (
    BINNINGS,
    brier,
    calibration_error,
    error_of_noise,
    reliability,
)
from evaluation.metrics.clustered import Codes, Floats, clustered_mean, clustered_share
from evaluation.metrics.intervals import Interval
from evaluation.metrics.latent_probit import corrected_accuracy
from evaluation.metrics.paired import sign_test
from evaluation.metrics.skill import Ceiling, ceiling_of, skill_share
from evaluation.metrics.tie_rules import RULES
from evaluation.suites.comparisons import compare_all
from evaluation.suites.scored_pairs import PairData, Scored, credit

SUITE = "pair_accuracy/1"
ORACLE = "oracle (estimated)"
ALL = "all"
NO_INTERVAL = "none: not estimated"
ALL_TIES = "none: every answer is a tie"
NO_CEILING = "none: no product has two ads and a click"

Mask = np.ndarray
Row = tuple[str | float | int | None, ...]


class SuiteTables(NamedTuple):
    """What the suite finds.

    Attributes:
        results: ``suite_results/1``.
        counts: ``scorer_counts/1``.
        position: ``position_bias/1``.
        reliability: ``reliability/1``.
        comparisons: ``scorer_comparisons/1``.
    """

    results: pl.DataFrame
    counts: pl.DataFrame
    position: pl.DataFrame
    reliability: pl.DataFrame
    comparisons: pl.DataFrame


def pair_accuracy(data: PairData, scorers: Sequence[Scored], config: EvaluateConfig) -> SuiteTables:
    """Evaluate scorers on pairs.

    Args:
        data: The pairs.
        scorers: Their answers; names differ.
        config: Ties, slices and levels.
    """
    rows: list[Row] = []
    parts = list(slices(data, config.slices))
    for name, mask in parts:
        rows.append(_oracle_row(data, name, mask & (data.gold != 0), config))
    for scorer in scorers:
        rows += _scorer_rows(data, scorer, parts, config)
    return SuiteTables(
        pl.DataFrame(rows, schema=SUITE_RESULTS.schema, orient="row"),
        pl.DataFrame(
            [_count_row(data, scorer, config) for scorer in scorers],
            schema=SCORER_COUNTS.schema,
            orient="row",
        ),
        pl.DataFrame(
            [_position_row(data, scorer, config) for scorer in scorers],
            schema=POSITION_BIAS.schema,
            orient="row",
        ),
        pl.DataFrame(
            [row for scorer in scorers for row in _reliability_rows(data, scorer, config)],
            schema=RELIABILITY.schema,
            orient="row",
        ),
        compare_all(data, scorers, config),
    )


def slices(data: PairData, config: Slices) -> Iterator[tuple[str, Mask]]:
    """Parts of the data, each with the pairs that belong to it.

    Args:
        data: The pairs.
        config: Which parts.

    Yields:
        Name as in ``suite_results``, and a mask over pairs; parts without a pair are left out.
    """
    yield ALL, np.ones(data.gold.size, bool)
    if config.by_category:
        for code, category in enumerate(data.categories):
            yield f"category={category}", data.category == code
    for what, values, edges in (
        ("confidence", data.confidence, config.confidence_edges),
        ("gap", data.gap, (*config.gap_edges, np.inf)),
    ):
        for lower, upper in pairwise(edges):
            last = upper == edges[-1]
            mask = (values >= lower) & ((values <= upper) if last else (values < upper))
            if mask.any():
                yield f"{what}={lower:g}-{upper:g}", mask


def worth_of(scorer: Scored, data: PairData, config: EvaluateConfig) -> Floats:
    """(n,) what each of a scorer's averaged answers is worth; NaN where there is none."""
    scoring = config.scoring
    return credit(
        scorer.mean,
        data.gold,
        model_ties=scoring.model_ties,
        tie_tolerance=scoring.tie_tolerance,
    )


def _oracle_row(data: PairData, name: str, mask: Mask, config: EvaluateConfig) -> Row:
    ceiling = _ceiling(data, mask, config)
    found = Interval(None, None, None, NO_CEILING) if ceiling is None else ceiling.interval
    return _row(ORACLE, "accuracy", name, found, n=int(mask.sum()), ceiling=found.estimate)


def _scorer_rows(
    data: PairData, scorer: Scored, parts: Sequence[tuple[str, Mask]], config: EvaluateConfig
) -> Iterator[Row]:
    alpha = config.statistics.alpha
    worth = worth_of(scorer, data, config)
    for name, part in parts:
        asked = part & (data.gold != 0)
        told = asked & ~np.isnan(worth)
        ceiling = _ceiling(data, told, config)
        best = ceiling.interval.estimate if ceiling else None
        found = _accuracy(worth[told], data.product[told], alpha)
        counted = {"n": int(told.sum()), "n_unscored": int(asked.sum() - told.sum())}
        yield _row(scorer.name, "accuracy", name, found, ceiling=best, **counted)
        if ceiling is not None:
            skill = skill_share(worth[told], ceiling, data.product[told], alpha=alpha)
            if _is_all_ties(worth[told]):
                skill = skill._replace(lower=None, upper=None, method=ALL_TIES)
            yield _row(scorer.name, "skill_share", name, skill, ceiling=1.0, **counted)
        if name == ALL:
            yield from _overall_rows(
                data, scorer, worth, ceiling=ceiling, config=config, counted=counted
            )


def _overall_rows(
    data: PairData,
    scorer: Scored,
    worth: Floats,
    *,
    ceiling: Ceiling | None,
    config: EvaluateConfig,
    counted: dict[str, int],
) -> Iterator[Row]:
    alpha, name, scoring = config.statistics.alpha, scorer.name, config.scoring
    told = ~np.isnan(worth)
    product = data.product[told]
    asked = int((data.gold != 0).sum())
    best = ceiling.interval.estimate if ceiling else None
    for order, p_left in (("as_is", scorer.as_is), ("swapped", scorer.swapped)):
        single = credit(
            p_left,
            data.gold,
            model_ties=scoring.model_ties,
            tie_tolerance=scoring.tie_tolerance,
        )
        has = ~np.isnan(single)
        found = _accuracy(single[has], data.product[has], alpha)
        n = int(has.sum())
        yield _row(name, f"accuracy_{order}", ALL, found, n=n, n_unscored=asked - n, ceiling=best)
    spread = data.spread
    if ceiling and spread and spread.pooled > 0 and not _is_all_ties(worth[told]):
        differences = data.differences.of(np.flatnonzero(told))
        corrected = corrected_accuracy(worth[told], differences, spread, product, alpha=alpha)
        yield _row(name, "noise_corrected_accuracy", ALL, corrected, ceiling=1.0, **counted)
    if told.any():
        yield from _calibration_rows(data, scorer, told, config, counted)
        yield from _rows_of_rules(data, scorer)


def _calibration_rows(
    data: PairData, scorer: Scored, told: Mask, config: EvaluateConfig, counted: dict[str, int]
) -> Iterator[Row]:
    statistics, name = config.statistics, scorer.name
    p_left, outcome = scorer.mean[told], (data.gold[told] > 0).astype(float)
    product = data.product[told]
    squares = clustered_mean(np.square(p_left - outcome), product, alpha=statistics.alpha)
    assert np.isclose(squares.estimate or 0.0, brier(p_left, outcome))
    yield _row(name, "brier", ALL, squares, **counted)
    for binning in BINNINGS:
        bins = reliability(p_left, outcome, n_bins=statistics.n_bins, binning=binning)
        error = Interval(calibration_error(bins), None, None, NO_INTERVAL)
        yield _row(name, f"ece_{binning}", ALL, error, **counted)
        noise = error_of_noise(p_left, outcome, product, bins, seed=statistics.seed)
        of_noise = Interval(noise, None, None, "mean over random signs by product")
        yield _row(name, f"ece_{binning}_of_noise", ALL, of_noise, **counted)


def _rows_of_rules(data: PairData, scorer: Scored) -> Iterator[Row]:
    """The same answers under the public evaluations' rules; ties of labels are pairs there."""
    has = ~np.isnan(scorer.mean)
    label = (1 + data.gold[has]) / 2
    score = special.logit(np.clip(scorer.mean[has], 1e-12, 1 - 1e-12))
    n_missing = int(has.size - has.sum())
    for rule, accuracy in RULES.items():
        found = Interval(accuracy(label, score, np.zeros(score.size)), None, None, NO_INTERVAL)
        yield _row(
            scorer.name, f"accuracy_{rule}", ALL, found, n=int(has.sum()), n_unscored=n_missing
        )


def _count_row(data: PairData, scorer: Scored, config: EvaluateConfig) -> Row:
    scoring, worth = config.scoring, worth_of(scorer, data, config)
    asked, told = data.gold != 0, ~np.isnan(worth)
    n_orders = (~np.isnan(scorer.as_is)).astype(int) + ~np.isnan(scorer.swapped)
    is_tie = np.abs(scorer.mean[told] - 0.5) <= scoring.tie_tolerance + 1e-12
    return (
        scorer.name,
        scorer.kind,
        scorer.scores_run,
        data.gold.size,
        int((~asked).sum()),
        int((asked & (n_orders == 1)).sum()),
        int((asked & (n_orders == 0)).sum()),
        int(told.sum()),
        int(is_tie.sum()),
        int((worth[told] == 1).sum()),
        int(np.unique(data.product[told]).size),
        scoring.model_ties,
        scoring.tie_tolerance,
    )


def _position_row(data: PairData, scorer: Scored, config: EvaluateConfig) -> Row:
    alpha, tolerance = config.statistics.alpha, config.scoring.tie_tolerance + 1e-12
    sides = [p_left - 0.5 for p_left in (scorer.as_is, scorer.swapped)]
    # NaN compares as False: a pair that lacks a presentation is not decided in both.
    both = (np.abs(sides[0]) > tolerance) & (np.abs(sides[1]) > tolerance)
    flips = both & (np.sign(sides[0]) != np.sign(sides[1]))
    to_first = sides[0][flips] > 0
    rate = clustered_share(flips[both].astype(float), data.product[both], alpha=alpha)
    first = clustered_share(to_first.astype(float), data.product[flips], alpha=alpha)
    n, n_first = int(flips.sum()), int(to_first.sum())
    return (
        scorer.name,
        int(both.sum()),
        n,
        n_first,
        *rate[:3],
        *first[:3],
        sign_test(n_first, n) if n else None,
    )


def _reliability_rows(data: PairData, scorer: Scored, config: EvaluateConfig) -> Iterator[Row]:
    told = ~np.isnan(scorer.mean) & (data.gold != 0)
    if not told.any():
        return
    p_left, outcome = scorer.mean[told], (data.gold[told] > 0).astype(float)
    product, statistics = data.product[told], config.statistics
    for binning in BINNINGS:
        bins = reliability(p_left, outcome, n_bins=statistics.n_bins, binning=binning)
        for place, count in enumerate(bins.counts):
            inside = bins.places == place
            found = clustered_share(outcome[inside], product[inside], alpha=statistics.alpha)
            yield (
                scorer.name,
                binning,
                place,
                float(bins.edges[place]),
                float(bins.edges[place + 1]),
                int(count),
                float(bins.predicted[place]) if count else None,
                *found[:3],
            )


def _accuracy(worth: Floats, product: Codes, alpha: float) -> Interval:
    if worth.size and _is_all_ties(worth):
        return Interval(float(worth.mean()), None, None, ALL_TIES)
    return clustered_share(worth, product, alpha=alpha)


def _is_all_ties(worth: Floats) -> bool:
    """True if no answer could have turned out right or wrong: there is nothing to be unsure of."""
    return bool(np.all(worth == 0.5))


def _ceiling(data: PairData, mask: Mask, config: EvaluateConfig) -> Ceiling | None:
    if data.spread is None or not mask.any():
        return None
    kept = np.flatnonzero(mask)
    return ceiling_of(
        data.differences.of(kept), data.spread, data.product[kept], alpha=config.statistics.alpha
    )


def _row(
    subject: str,
    metric: str,
    part: str,
    found: Interval,
    *,
    n: int,
    n_unscored: int = 0,
    ceiling: float | None = None,
) -> Row:
    return (SUITE, subject, metric, part, *found, n, n_unscored, ceiling)
