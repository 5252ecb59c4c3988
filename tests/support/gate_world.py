"""Evidence of a gate, simulated: items of known truth, and figures of suites."""

from datetime import UTC, date, datetime

import numpy as np
import polars as pl

from caig.config import Config
from caig.contracts.experiments import SUITE_RESULTS
from caig.contracts.gates import ITEM_SCORES
from caig.runs.store import Run, RunWriter
from evaluation.gate.policy import GatePolicy, ReadPolicy
from evaluation.gate.verdict import decide

CANDIDATE, INCUMBENT, SUITE = "candidate", "incumbent", "matching/1"
TODAY = date(2026, 11, 25)
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


class Statistics(Config):
    """The level of a suite's intervals."""

    alpha: float = 0.05


class SuiteConfig(Config):
    """What runs of suites state."""

    statistics: Statistics = Statistics()


def item_rows(
    subject, values, products, *, categories=None, metric="match_rate", suite=SUITE, reasons=None
):
    """``item_scores/1`` of one subject; None or NaN is no answer."""
    values = [None if v is None or np.isnan(v) else float(v) for v in values]
    n = len(values)
    return pl.DataFrame(
        {
            "suite": [suite] * n,
            "subject": [subject] * n,
            "metric": [metric] * n,
            "item_id": [f"i{i:05d}" for i in range(n)],
            "cluster_id": [f"p{k}" for k in products],
            "category": categories if categories is not None else ["Shoes"] * n,
            "value": values,
            "unscored_reason": ["timeout" if v is None else None for v in values],
        },
        schema=ITEM_SCORES.schema,
    )


def verdict_items(seed, *, products=300, per_product=3, rate=0.9, deficit=0.0, agreement=0.5):
    """Verdicts of both subjects on the same items, alike within products and between subjects.

    The chance of a yes is ``rate`` for the incumbent and ``rate - deficit`` for the candidate on
    average; a product shifts both, and a share of items has one verdict for both where it can.
    """
    rng = np.random.default_rng(seed)
    product = np.repeat(np.arange(products), per_product)
    spread = rng.beta(8 * rate, 8 * (1 - rate), products)[product]
    own = rng.random(product.size)
    is_shared = rng.random(product.size) < agreement
    other = np.where(is_shared, own, rng.random(product.size))
    scale = 1 - deficit / rate
    return (own < spread * scale).astype(float), (other < spread).astype(float), product


def result_rows(*rows):
    """``suite_results/1`` from dicts with subject, metric, estimate, ci_lower, ci_upper, n."""
    whole = {
        "suite": SUITE,
        "slice": "all",
        "ci_method": "simulated",
        "n_unscored": 0,
        "ceiling": None,
    }
    return pl.DataFrame([whole | row for row in rows], schema=SUITE_RESULTS.schema)


def suite_run(root, *, items=None, results=None, config=None):
    """A run with the tables of suites."""
    with RunWriter(root, "evaluate", config or SuiteConfig()) as run:
        if results is not None:
            run.write_table(SUITE_RESULTS, results)
        if items is not None:
            run.write_table(ITEM_SCORES, items)
    return Run.open(run.path)


def policy_of(*checks, **sections):
    """A policy as it would be read."""
    values = {
        "format": "gate_policy/1",
        "evidence": {"max_error_rate": 0.02, "min_coverage": 0.95},
        "checks": checks,
    }
    return ReadPolicy(GatePolicy.model_validate(values | sections), "gate.toml", "", "0" * 64)


def drop_check(**changes):
    """A comparison with the incumbent."""
    return {"id": "match-drop", "metric": "match_rate", "margin": 0.02, "unit": "percent"} | changes


def judged(policy, evidence, *, incumbent=INCUMBENT, as_of=TODAY):
    """The report on the candidate."""
    return decide(policy, evidence, (CANDIDATE, incumbent), as_of=as_of, created_at=NOW)
