"""How often the whole gate errs, over simulated launches; and whether its advice on size holds."""

import numpy as np
import polars as pl
import pytest
from gate_world import (
    CANDIDATE,
    INCUMBENT,
    TODAY,
    drop_check,
    item_rows,
    judged,
    policy_of,
    verdict_items,
)

from caig.contracts.experiments import SUITE_RESULTS
from caig.contracts.records import ArtifactRef
from evaluation.gate.bounds import more_items, paired
from evaluation.gate.evidence import Evidence, Source

pytestmark = pytest.mark.slow

MARGIN = 0.03
SOURCE = Source(ArtifactRef(run_id="r", artifact="items", sha256="0" * 64), 0.95, TODAY)


def launch(seed, deficits, *, products):
    """Items of a launch, one metric for every deficit."""
    tables = []
    for place, deficit in enumerate(deficits):
        first, second, product = verdict_items(
            10 * seed + place, products=products, rate=0.93, deficit=deficit
        )
        for subject, values in ((CANDIDATE, first), (INCUMBENT, second)):
            tables.append(item_rows(subject, values, product, metric=f"m{place}"))
    items = pl.concat(tables).with_columns(source=pl.lit(0, pl.Int64))
    results = SUITE_RESULTS.empty().with_columns(source=pl.lit(0, pl.Int64))
    return Evidence(results, items, (SOURCE,), ())


def verdicts(deficits, n, *, products=150):
    """Shares of ``n`` launches that ship and that are rejected."""
    checks = [drop_check(id=f"c{i}", metric=f"m{i}", margin=MARGIN) for i in range(len(deficits))]
    policy = policy_of(*checks)
    found = [judged(policy, launch(i, deficits, products=products)).verdict for i in range(n)]
    shares = found.count("ship") / n, found.count("reject") / n
    print(f"deficits {deficits}: shipped {shares[0]:.3f}, rejected {shares[1]:.3f} of {n}")
    return shares


def test_a_deficit_at_the_margin_ships_as_rarely_as_stated():
    shipped, rejected = verdicts([MARGIN], 1000)
    assert shipped <= 0.065
    assert rejected <= 0.065


def test_no_deficit_ships_and_a_large_one_is_rejected():
    shipped, rejected = verdicts([0.0], 300)
    assert shipped >= 0.7
    assert rejected == 0
    shipped, rejected = verdicts([2.5 * MARGIN], 300)
    assert shipped == 0
    assert rejected >= 0.7


def test_a_deficit_in_one_of_three_checks_ships_as_rarely_as_stated():
    shipped, rejected = verdicts([MARGIN, 0.0, 0.0], 500)
    assert shipped <= 0.065
    assert rejected <= 0.065


def test_as_many_items_as_were_asked_for_give_the_power():
    needed = []
    for seed in range(200):
        first, second, product = verdict_items(seed, products=60, rate=0.93)
        found = paired(first, second, product, alpha=0.05, threshold=-MARGIN, sign=1)
        if found.p_pass > 0.05 and found.p_fail > 0.05:
            more = more_items(found.error, first.size, MARGIN, alpha=0.05, power=0.8)
            needed.append(first.size + more)
    enough = round(np.median(needed) / 3)
    passed = [
        paired(
            *verdict_items(10_000 + seed, products=enough, rate=0.93),
            alpha=0.05,
            threshold=-MARGIN,
            sign=1,
        ).p_pass
        <= 0.05
        for seed in range(500)
    ]
    print(f"{enough} products asked for by the median; power {np.mean(passed):.3f}")
    # Those that are inconclusive have larger errors than most, so they ask for more than enough.
    assert 0.75 <= np.mean(passed) <= 0.97
