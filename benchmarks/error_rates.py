"""How often the lift analysis errs, measured on simulated traffic whose truth is known.

    .venv/bin/python benchmarks/error_rates.py --experiments 1000

Every experiment is drawn afresh and goes through the same path as a user's log: counts, moments,
cells, correction, verdicts. A/A experiments (no lift anywhere) give false-positive rates, by
category and overall, with the clustered method and, beside it, with the binomial one that ignores
units; A/B experiments give coverage and the false discovery rate. Every figure comes with its
Monte Carlo interval.
"""

import argparse
import json
import math
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import polars as pl

from abtest.config import Design, LiftConfig
from abtest.counting.counts import UnitCounts
from abtest.lift import analyse_lift
from caig.contracts.experiments import ALL_CATEGORIES
from reference_models.shop.traffic import TrafficConfig, simulate_traffic

KEY = ("experiment_id", "arm", "unit_id", "category", "day")
CLUSTERED = LiftConfig()
NAIVE = LiftConfig(design=Design(randomisation="impression"))


def count_errors(task: tuple[int, int, bool]) -> Counter[str]:
    """Errors and chances to err in one experiment.

    Args:
        task: Seed, users, and whether there is a lift (spread over the categories; none in A/A).
    """
    seed, users, has_lift = task
    effect = (
        {"mean_lift": 0.05, "lift_sd": 0.15} if has_lift else {"mean_lift": 0.0, "lift_sd": 0.0}
    )
    traffic = simulate_traffic(TrafficConfig(seed=seed, n_users=users, **effect))
    counts = UnitCounts.from_rows(traffic.log.select(*KEY, n="n_impressions", c="n_clicks"))
    found: Counter[str] = Counter()
    methods = {"clustered": CLUSTERED} if has_lift else {"clustered": CLUSTERED, "naive": NAIVE}
    for method, config in methods.items():
        result = analyse_lift(counts, config)
        table = result.lift_table.join(
            traffic.truth.select("category", truth="rel_lift"), on="category"
        )
        tested = table.filter(pl.col("status") == "ok")
        cells = tested.filter(pl.col("category") != ALL_CATEGORIES)
        overall = tested.filter(pl.col("category") == ALL_CATEGORIES)
        if has_lift:
            _count_ab(found, cells, overall, table)
        else:
            _count_aa(found, method, cells, overall)
            _count_looks(found, method, result.lift_daily)
    return found


def _count_aa(found: Counter[str], method: str, cells: pl.DataFrame, overall: pl.DataFrame) -> None:
    found[f"{method}: A/A false positives by category"] += (cells["p_value"] < 0.05).sum()
    found[f"{method}: A/A false positives by category|n"] += cells.height
    found[f"{method}: A/A false positives overall"] += (overall["p_value"] < 0.05).sum()
    found[f"{method}: A/A false positives overall|n"] += overall.height
    corrected = cells["verdict"].is_in(["win", "loss"]).any()
    found[f"{method}: A/A experiments with any category verdict after BH"] += int(corrected)
    found[f"{method}: A/A experiments with any category verdict after BH|n"] += 1


def _count_looks(found: Counter[str], method: str, daily: pl.DataFrame) -> None:
    """Cells of an A/A experiment that some daily look would have stopped."""
    is_overall = pl.col("category") == ALL_CATEGORIES
    for interval, lower, upper in (
        ("fixed-horizon", "rel_lift_ci_lower", "rel_lift_ci_upper"),
        ("always-valid", "rel_lift_anytime_lower", "rel_lift_anytime_upper"),
    ):
        stops = (pl.col("status") == "ok") & ((pl.col(lower) > 0) | (pl.col(upper) < 0))
        stopped = daily.group_by(is_overall.alias("overall"), "category").agg(any=stops.any())
        for overall, name in ((False, "by category"), (True, "overall")):
            cells = stopped.filter(pl.col("overall") == overall)
            figure = f"{method}: A/A {interval} interval excludes 0 on some day, {name}"
            found[figure] += cells["any"].sum()
            found[f"{figure}|n"] += cells.height


def _count_ab(
    found: Counter[str], cells: pl.DataFrame, overall: pl.DataFrame, table: pl.DataFrame
) -> None:
    holds = pl.col("truth").is_between("rel_lift_ci_lower", "rel_lift_ci_upper")
    for name, part in (("by category", cells), ("overall", overall)):
        found[f"clustered: A/B coverage of the 95 % interval {name}"] += part.filter(holds).height
        found[f"clustered: A/B coverage of the 95 % interval {name}|n"] += part.height
    claimed = cells.filter(pl.col("verdict").is_in(["win", "loss"]))
    wrong = claimed.filter((pl.col("rel_lift") > 0) != (pl.col("truth") > 0))
    found["clustered: A/B claims of the wrong direction after BH"] += wrong.height
    found["clustered: A/B claims of the wrong direction after BH|n"] += claimed.height
    found["clustered: A/B category cells too small to test"] += table.filter(
        pl.col("status") != "ok"
    ).height
    found["clustered: A/B category cells too small to test|n"] += table.height - 1


def wilson(k: int, n: int) -> tuple[float, float]:
    """95 % Wilson interval, written out so that nothing measured here measures itself."""
    z = 1.959963984540054
    centre, half = k + z * z / 2, z * math.sqrt(k * (n - k) / n + z * z / 4)
    return (centre - half) / (n + z * z), (centre + half) / (n + z * z)


def main() -> None:
    """Run, and print one line a figure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--experiments", type=int, default=200, help="of each kind, A/A and A/B")
    parser.add_argument("--users", type=int, default=20_000, help="in each experiment")
    parser.add_argument("--seed", type=int, default=1, help="of the first experiment")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    options = parser.parse_args()
    began = time.monotonic()
    tasks = [
        (options.seed + i, options.users, has_lift)
        for has_lift in (False, True)
        for i in range(options.experiments)
    ]
    with ProcessPoolExecutor(options.processes) as pool:
        found = sum(pool.map(count_errors, tasks, chunksize=4), Counter())
    names = [name for name in found if not name.endswith("|n")]
    names = sorted({*names, *(n.removesuffix("|n") for n in found)})
    rates = {name: (int(found[name]), int(found[f"{name}|n"])) for name in names}
    if options.json:
        print(json.dumps(rates))
        return
    number = options.experiments
    print(f"{number} A/A and {number} A/B experiments of {options.users:,} users")
    for name, (k, n) in rates.items():
        low, high = wilson(k, n) if n else (math.nan, math.nan)
        rate = k / n if n else math.nan
        print(f"  {name:68} {rate:7.2%}  [{low:.2%}, {high:.2%}]  {k:,} of {n:,}")
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
