"""Counting a log: seconds, CPU seconds and memory, as ratios to a bare scan, in one run.

    python benchmarks/counting.py --rows 20000000 --peer-python /tmp/peers/bin/python

    python benchmarks/counting.py --rows 200000000 --rounds 1

The log is drawn once: one impression a row, 82 users a thousand rows, 44 categories by Zipf's law,
14 days, two arms, zstd Parquet, 20 million rows a file. Every case is a process of its own; cases
take turns for as many rounds as asked, and the median of each is shown. Seconds are without
imports, CPU seconds too.

Peers are no dependencies of this project. They run under ``--peer-python``, of an environment made
by ``pip install duckdb tea-tasting polars pyarrow``, and are left out without it. Each computes
clustered sums of 44 categories by arm and nothing else: no checks of rows, no days, no products of
categories.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl

N_CATEGORIES = 44
N_DAYS = 14
BATCH = 1_000_000
BATCHES_A_FILE = 20
ROOT = Path(__file__).parents[1]

START = """
import json, sys, time
path = sys.argv[1]
"""
END = """
done = time.perf_counter() - wall, time.process_time() - cpu
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(json.dumps([*done, peak / 1024]))
"""
CLOCKS = "wall, cpu = time.perf_counter(), time.process_time()\n"
SCAN = (
    "import polars as pl\n"
    + CLOCKS
    + """
columns = ["unit_id", "arm", "category", "n_clicks"]
scan = pl.scan_parquet(path + "/*.parquet").select(columns)
for batch in scan.collect_batches(chunk_size=1_000_000):
    pass
"""
)
LIFT = (
    """
from abtest.config import LiftConfig
from abtest.reading.ingest import ingest
from abtest.reading.sources import LogFile
from pathlib import Path
"""
    + CLOCKS
    + """
files = [LogFile(file, "parquet", "", 1) for file in sorted(Path(path).iterdir())]
sums = ingest(files, LiftConfig()).sums
"""
)
DUCKDB = (
    "import duckdb\n"
    + CLOCKS
    + '''
duckdb.sql("set threads = 2")
duckdb.sql(f"""
    select arm, category, count(*), sum(n), sum(c), sum(n * n), sum(c * c), sum(n * c)
    from (
        select arm, category, unit_id, count(*) as n, sum(n_clicks)::bigint as c
        from '{path}/*.parquet' group by all
    ) group by all
""").fetchall()
'''
)
TEA_TASTING = (
    """
import polars as pl
import tea_tasting as tt
"""
    + CLOCKS
    + """
units = (
    pl.scan_parquet(path + "/*.parquet").group_by("unit_id", "arm", "category")
    .agg(imps=pl.len().cast(pl.Int64), clicks=pl.col("n_clicks").cast(pl.Int64).sum())
    .collect(engine="streaming")
)
experiment = tt.Experiment(ctr=tt.RatioOfMeans("clicks", "imps"))
units = units.with_columns(variant=(pl.col("arm") == "treatment").cast(pl.Int64))
for category in units["category"].unique():
    experiment.analyze(units.filter(pl.col("category") == category))
"""
)


def main() -> None:
    """Make the log if it is not there, run, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/caig-benchmarks"))
    parser.add_argument("--peer-python", type=Path)
    options = parser.parse_args()
    log = options.folder / f"counting-{options.rows}"
    if not log.exists():
        write_log(log, options.rows)
    cases = {"scan of 4 columns": (sys.executable, SCAN), "caig lift": (sys.executable, LIFT)}
    if options.peer_python:
        peer = str(options.peer_python)
        cases |= {"duckdb SQL": (peer, DUCKDB), "tea-tasting + polars": (peer, TEA_TASTING)}
    measured: dict[str, list[list[float]]] = {name: [] for name in cases}
    for _ in range(options.rounds):
        for name, (python, code) in cases.items():
            measured[name].append(run(python, code, log))
    print(f"{options.rows:,} rows, median of {options.rounds}, load {os.getloadavg()[0]:.1f}")
    report({name: np.median(values, axis=0).tolist() for name, values in measured.items()})


def run(python: str, code: str, log: Path) -> list[float]:
    """Seconds, CPU seconds and peak MB of one case in a process of its own."""
    done = subprocess.run(
        [python, "-c", START + code + END, str(log)],
        check=True,
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    values: list[float] = json.loads(done.stdout.splitlines()[-1])
    return values


def report(cases: dict[str, list[float]]) -> None:
    """Print every case with its ratio to the scan."""
    scan = cases["scan of 4 columns"]
    print(f"{'case':24}{'s':>8}{'CPU s':>8}{'peak MB':>9}{'s / scan':>10}{'CPU / scan':>12}")
    for name, (seconds, cpu, peak) in cases.items():
        print(
            f"{name:24}{seconds:8.2f}{cpu:8.2f}{peak:9.0f}"
            f"{seconds / scan[0]:10.2f}{cpu / scan[1]:12.2f}"
        )


def write_log(folder: Path, n_rows: int) -> None:
    """Draw a log, a batch a row group."""
    rng = np.random.default_rng(20_260_301)
    n_units = max(2, n_rows * 82 // 1_000)
    drawn = pl.Series(rng.integers(0, 10**10, n_units * 11 // 10)).unique().head(n_units)
    units = "u" + drawn.cast(pl.String).str.zfill(10)
    activity = np.cumsum(rng.gamma(1.0, 1.0, n_units))
    arms = pl.Series(["control", "treatment"])[rng.integers(0, 2, n_units)]
    weights = 1 / np.arange(1, N_CATEGORIES + 1)
    categories = pl.Series([f"category {number:02}" for number in range(N_CATEGORIES)])
    unfinished = folder.with_suffix(".parts")
    unfinished.mkdir(parents=True, exist_ok=True)
    firsts = range(0, n_rows, BATCH)
    for number, first in enumerate(firsts):
        size = min(BATCH, n_rows - first)
        # Numbers in order are found many times faster among as many units.
        unit = np.searchsorted(activity, np.sort(rng.random(size)) * activity[-1])
        rng.shuffle(unit)
        day = np.datetime64("2026-03-01") + rng.integers(0, N_DAYS, size)
        batch = pl.DataFrame(
            {
                "unit_id": units[unit],
                "arm": arms[unit],
                "category": categories[rng.choice(N_CATEGORIES, size, p=weights / weights.sum())],
                "day": day.astype("datetime64[D]"),
                "n_clicks": (rng.random(size) < 0.02).astype(np.uint8),
            }
        )
        batch.write_parquet(unfinished / f"{number:05}.part", compression="lz4")
        if (number + 1) % BATCHES_A_FILE == 0 or number + 1 == len(firsts):
            join_parts(unfinished, unfinished / f"{number // BATCHES_A_FILE:03}.parquet")
    unfinished.rename(folder)


def join_parts(folder: Path, path: Path) -> None:
    """Make one file of a folder's parts, each a row group."""
    parts = sorted(folder.glob("*.part"))
    pl.scan_parquet(parts).sink_parquet(path, compression="zstd", row_group_size=BATCH)
    for part in parts:
        part.unlink()


if __name__ == "__main__":
    main()
