"""Every two scorers on the pairs that both of them scored; two rulers only where all are rulers."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import polars as pl

from caig import text
from caig.contracts.evaluations import SCORER_COMPARISONS
from evaluation.config import EvaluateConfig
from evaluation.metrics.paired import holm, mcnemar, paired_bootstrap, paired_difference
from evaluation.suites.scored_pairs import PairData, Scored, credit


def compare_all(data: PairData, scorers: Sequence[Scored], config: EvaluateConfig) -> pl.DataFrame:
    """Compare every two scorers, but for two rulers where there is a model.

    The p-value that counts is of the paired t test clustered by product; it is corrected over all
    comparisons that could be made. Where two scorers are worth the same on every pair there is no
    spread to test by, and the p-value is null.

    Args:
        data: The pairs.
        scorers: Answers of the scorers.
        config: Ties and levels.

    Returns:
        ``scorer_comparisons/1``.
    """
    scoring = config.scoring
    worth = {
        scorer.name: credit(
            scorer.mean,
            data.gold,
            model_ties=scoring.model_ties,
            tie_tolerance=scoring.tie_tolerance,
        )
        for scorer in scorers
    }
    models = {scorer.name for scorer in scorers if scorer.kind == "model"}
    rows = [
        {
            "scorer": first,
            "other": second,
            **_compared(data, worth[first], worth[second], config),
        }
        for first, second in combinations(worth, 2)
        if not (models and first not in models and second not in models)
    ]
    tested = [row for row in rows if row["p_value"] is not None]
    p_values = [float(row["p_value"] or 0.0) for row in tested]
    is_holm = config.statistics.correction == "holm"
    for row, adjusted in zip(tested, holm(p_values) if is_holm else p_values, strict=True):
        row["p_value_adj"] = adjusted
    method = "Holm" if is_holm else "none"
    named = f"{method} over {text.plural(len(tested), 'comparison')}"
    for row in rows:
        row["adjustment"] = named
    return pl.DataFrame(rows, schema=SCORER_COMPARISONS.schema)


def _compared(
    data: PairData, first: np.ndarray, second: np.ndarray, config: EvaluateConfig
) -> dict[str, float | str | None]:
    statistics = config.statistics
    both = ~np.isnan(first) & ~np.isnan(second)
    product = data.product[both]
    apart = first[both] - second[both]
    ahead, behind = int((apart > 0).sum()), int((apart < 0).sum())
    has_any = apart.size > 0
    row: dict[str, float | str | None] = {
        "n_pairs": apart.size,
        "n_products": int(np.unique(product).size),
        "accuracy": float(first[both].mean()) if has_any else None,
        "other_accuracy": float(second[both].mean()) if has_any else None,
        "difference": float(apart.mean()) if has_any else None,
        "n_first_ahead": ahead,
        "n_second_ahead": behind,
        "p_mcnemar": mcnemar(ahead, behind).exact,
        "p_value": None,
        "p_value_adj": None,
    }
    found = paired_difference(apart, product, alpha=statistics.alpha)
    if found is None:
        return row
    lower, upper = paired_bootstrap(
        apart, product, n_draws=statistics.n_bootstrap, seed=statistics.seed, alpha=statistics.alpha
    )
    return row | {
        "difference_ci_lower": max(found.lower, -1.0),
        "difference_ci_upper": min(found.upper, 1.0),
        "difference_bootstrap_lower": lower,
        "difference_bootstrap_upper": upper,
        "p_value": found.p_value,
        "smallest_found": found.smallest_found,
    }
