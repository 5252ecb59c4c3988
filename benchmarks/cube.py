"""What the cube costs, what it saves, and how near its standard errors are to the exact ones.

    .venv/bin/python benchmarks/cube.py --users 500000

One process, one run: the full analysis of the counts, the cube built from the same counts, and
questions asked of it, each the median of several times (and the fewest CPU seconds of them), with
its ratio to the full analysis. Shop traffic of 14 days. "Asked" is what ``caig cube`` does between
reading and writing; its start, the imports, is left out.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import polars as pl

from abtest.config import LiftConfig
from abtest.counting.bootstrap import bootstrap_lifts, cube_arrays, cube_lifts
from abtest.counting.config import CubeSlice
from abtest.counting.counts import UnitCounts, total_moments
from abtest.counting.cube import cube_of
from abtest.counting.sums import sums_of
from abtest.cubes.asking import ask, ask_cube
from abtest.cubes.config import Bootstrap, CubeConfig
from abtest.estimation.clustered import UnitMoments, log_lift
from abtest.lift import analyse_lift
from caig.contracts.cubes import CUBE
from caig.contracts.table import check
from reference_models.shop.traffic import TrafficConfig, simulate_traffic

KEY = ("experiment_id", "arm", "unit_id", "category", "day")
CONTRAST = ("treatment", "control")
T = TypeVar("T")


class Cost(NamedTuple):
    """Median seconds on the clock, and the fewest of the processor: what a busy machine adds."""

    seconds: float
    cpu: float


def timed(action: Callable[[], T], repeats: int) -> tuple[Cost, T]:
    """What one call costs, and its result."""
    seconds, cpu = [], []
    for _ in range(repeats):
        began, began_cpu = time.perf_counter(), time.process_time()
        result = action()
        seconds.append(time.perf_counter() - began)
        cpu.append(time.process_time() - began_cpu)
    return Cost(statistics.median(seconds), min(cpu)), result


def moments(total: pl.DataFrame, arm: str, categories: tuple[str, ...]) -> UnitMoments:
    """Exact moments of an arm, in the order of the categories."""
    order = pl.DataFrame({"category": categories})
    of_arm = order.join(total.filter(pl.col("arm") == arm), on="category", maintain_order="left")
    return UnitMoments(*(of_arm[name].to_numpy().astype(float) for name in UnitMoments._fields))


def main() -> None:
    """Run, and print one line a figure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    traffic = TrafficConfig(seed=options.seed, n_users=options.users, n_days=14)
    log = simulate_traffic(traffic).log
    counts = UnitCounts.from_rows(log.select(*KEY, n="n_impressions", c="n_clicks"))
    print(f"{log.height:,} rows, {options.users:,} users, 44 categories, 14 days")

    full, _ = timed(lambda: analyse_lift(counts, LiftConfig()), 3)
    build, cube = timed(lambda: cube_of(counts), 1)
    layout, arrays = timed(lambda: cube_arrays(cube, traffic.experiment_id), 3)
    week = (traffic.first_day + timedelta(days=3), traffic.first_day + timedelta(days=9))
    arrays_all, lifts = timed(lambda: cube_lifts(arrays, CONTRAST, alpha=0.05), 30)
    arrays_week, _ = timed(lambda: cube_lifts(arrays, CONTRAST, alpha=0.05, days=week), 30)
    no_draws = CubeConfig(bootstrap=Bootstrap(replicates=0))
    of_week = no_draws.model_copy(update={"cube": CubeSlice(first_day=week[0], last_day=week[1])})
    table, _ = timed(lambda: ask(arrays, no_draws), 30)
    table_week, _ = timed(lambda: ask(arrays, of_week), 30)
    at_once, _ = timed(lambda: ask_cube(cube, no_draws), 5)
    with_draws, _ = timed(lambda: ask_cube(cube, CubeConfig()), 3)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cube.parquet"
        cube.write_parquet(file, compression="zstd")
        size = file.stat().st_size
        read, _ = timed(lambda: check(pl.read_parquet(file), CUBE), 5)
    boot, drawn = timed(lambda: bootstrap_lifts(arrays, CONTRAST, alpha=0.05, seed=1), 3)
    print(
        f"cube: {cube.height:,} rows, {cube.estimated_size('mb'):.1f} MB in memory, "
        f"{size / 1e6:.1f} MB on disk"
    )
    for name, cost in (
        ("full analysis of the counts", full),
        ("cube from the counts", build),
        ("arrays from the cube", layout),
        ("lifts of all categories, 14 days", arrays_all),
        ("lifts of all categories, 7 days", arrays_week),
        ("1,000 bootstrap draws of all categories", boot),
        ("asked: cube_lifts/1 of arrays, 14 days", table),
        ("asked: cube_lifts/1 of arrays, 7 days", table_week),
        ("asked: cube_lifts/1 of the cube", at_once),
        ("asked: the same with 2,000 draws", with_draws),
        ("cube read from disk and checked", read),
    ):
        print(
            f"  {name:42} {cost.seconds * 1000:10.1f} ms {cost.cpu * 1000:10.1f} ms CPU   "
            f"full analysis / this {full.seconds / cost.seconds:8.1f}"
        )

    total = total_moments(sums_of(counts).daily)
    se = log_lift(*(moments(total, arm, arrays.categories) for arm in CONTRAST[::-1])).se
    ratio = (lifts.log_lift_se / se)[np.isfinite(se)]
    print(
        f"standard error, cube / exact, {ratio.size} cells: mean {ratio.mean():.4f}, sd "
        f"{ratio.std(ddof=1):.4f}, range {ratio.min():.3f} to {ratio.max():.3f}"
    )
    width = np.log1p(drawn.upper) - np.log1p(drawn.lower)
    delta = np.log1p(lifts.rel_lift.upper) - np.log1p(lifts.rel_lift.lower)
    widths = (width / delta)[np.isfinite(width / delta)]
    print(f"interval width on the log scale, bootstrap / delta: mean {widths.mean():.4f}")


if __name__ == "__main__":
    main()
