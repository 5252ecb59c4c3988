"""Figures of all simulated experiments together: rates with their Monte Carlo intervals.

Categories of one experiment share units, so their events are not independent: the interval is
Wilson's (1927) with the number of trials divided by the design effect of the experiments, where
that is above 1. A share between 0 and 1 varies less than an event of the same mean, so the same
interval is on the safe side for the false discovery rate.
"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from abtest.simulation.config import Scenario
from abtest.simulation.tally import ANYTIME, BINOMIAL, CLUSTERED, Key, Tally
from caig.contracts.simulations import ERROR_RATES, FIGURES, SCENARIOS, SCOPES

Z = 1.959963984540054


class Rate(NamedTuple):
    """A rate with its 95 % interval; all NaN without trials."""

    value: float
    lower: float
    upper: float


def error_rates(tallies: Mapping[Scenario, Iterable[Tally]], alpha: float) -> pl.DataFrame:
    """``error_rates/1`` of the experiments of each scenario.

    Args:
        tallies: One tally an experiment.
        alpha: Level of the tests.
    """
    rows = []
    for scenario, experiments in tallies.items():
        gathered: dict[Key, list[tuple[float, int]]] = {}
        for tally in experiments:
            for key, counted in tally.items():
                gathered.setdefault(key, []).append(counted)
        rows += [_row(scenario, key, counted, alpha) for key, counted in gathered.items()]
    frame = pl.DataFrame(rows, schema=ERROR_RATES.schema)
    order = [
        pl.col(name).cast(pl.Enum(names))
        for name, names in (("scenario", SCENARIOS), ("figure", FIGURES), ("scope", SCOPES))
    ]
    return frame.sort(*order, "category", ~pl.col("method").str.starts_with(CLUSTERED), "method")


def clustered_rate(counted: list[tuple[float, int]]) -> Rate:
    """A rate whose trials come in experiments.

    Args:
        counted: Events and trials of every experiment.
    """
    events, trials = (np.array(column, dtype=np.float64) for column in zip(*counted, strict=True))
    n, k = trials.sum(), events.sum()
    if n == 0:
        return Rate(math.nan, math.nan, math.nan)
    rate = k / n
    taking_part = int((trials > 0).sum())
    effect = 1.0
    if taking_part > 1 and 0 < rate < 1:
        spread = float(np.sum((events - rate * trials) ** 2)) * taking_part / (taking_part - 1)
        effect = max(spread / (n * rate * (1 - rate)), 1.0)
    return Rate(rate, *wilson(k / effect, n / effect))


def wilson(k: float, n: float) -> tuple[float, float]:
    """95 % score interval of a proportion, written out so that nothing here measures itself."""
    centre, half = k + Z * Z / 2, Z * math.sqrt(k * (n - k) / n + Z * Z / 4)
    return max((centre - half) / (n + Z * Z), 0.0), min((centre + half) / (n + Z * Z), 1.0)


def _row(
    scenario: Scenario, key: Key, counted: list[tuple[float, int]], alpha: float
) -> dict[str, object]:
    rate = clustered_rate(counted)
    promise, promised = _promise(key, alpha)
    known = not math.isnan(rate.value)
    return {
        "scenario": scenario,
        **key._asdict(),
        "n_experiments": sum(trials > 0 for _, trials in counted),
        "events": math.fsum(events for events, _ in counted),
        "trials": sum(trials for _, trials in counted),
        "rate": rate.value if known else None,
        "rate_ci_lower": rate.lower if known else None,
        "rate_ci_upper": rate.upper if known else None,
        "promised": promised,
        "promise": promise,
    }


def _promise(key: Key, alpha: float) -> tuple[str, float | None]:
    """What a method claims for itself; the binomial one claims the same, and breaks it."""
    if key.figure == "false_positive":
        return "equal", alpha
    if key.figure == "covers_truth":
        return "equal", 1 - alpha
    if key.figure == "covers_truth_every_day":
        return "at_least", 1 - alpha
    if key.figure in ("any_claim", "false_discovery_rate"):
        return "at_most", alpha
    if key.figure == "stops_some_day" and key.method in (
        ANYTIME.format(CLUSTERED),
        ANYTIME.format(BINOMIAL),
    ):
        return "at_most", alpha
    return "none", None
