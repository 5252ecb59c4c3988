"""Making and reading many pairs: seconds and peak memory, each step in a process of its own.

    python benchmarks/pairs.py --products 100000 --ads 15

A run of ads is drawn once: products of equally many ads, impressions log-normal with mean 20,000,
click-through rates about 3 % that differ between a product's ads by 0.2 in log-odds.
No pictures: pairs are made from counts and checksums. Then ``caig pairs`` runs, and the pairs are
read back in batches, checked, as a training reads them.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl

from caig.config import Config
from caig.contracts.creatives import CREATIVE_COUNTS, CREATIVES, PRODUCTS
from caig.runs.store import Run, RunWriter

ROOT = Path(__file__).parents[1]
CATEGORIES = 44

START = """
import json, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
"""
END = """
seconds = time.perf_counter() - begun
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(json.dumps([rows, seconds, peak / 1024, str(path)]))
"""
IMPORTS_ONLY = (
    START
    + """
import caig.data.making, caig.data.streaming, scipy.special
begun = time.perf_counter()
rows, path = 0, folder
"""
    + END
)
MAKE = (
    START
    + """
from caig.data.config import PairsConfig
from caig.data.making import make_pairs
from caig.runs.store import Run
begun = time.perf_counter()
path, tally = make_pairs(Run.open(folder), PairsConfig(rule=sys.argv[2]), folder.parent)
rows = tally.pairs
"""
    + END
)
READ = (
    START
    + """
from caig.data.streaming import table_batches
from caig.runs.store import Run
begun = time.perf_counter()
path, rows = folder, 0
for batch in table_batches(Run.open(folder), "creative_pairs"):
    rows += batch.height
"""
    + END
)
READ_WHOLE = (
    START
    + """
from caig.runs.store import Run
begun = time.perf_counter()
path = folder
rows = Run.open(folder).table("creative_pairs").height
"""
    + END
)


def main() -> None:
    """Draw the ads if they are not there, run, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--ads", type=int, default=15)
    parser.add_argument("--rule", default="any")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/caig-benchmarks/pairs"))
    options = parser.parse_args()
    data = drawn_run(options.folder, options.products, options.ads)
    print(f"{options.products:,} products of {options.ads} ads, load {os.getloadavg()[0]:.1f}")
    print(f"{'step':34}{'rows':>12}{'s':>8}{'peak MB':>9}")
    report("imports only", measured(IMPORTS_ONLY, data))
    made = measured(MAKE, data, options.rule)
    report(f"caig pairs, rule {options.rule}", made)
    pairs = Path(made[3])
    report("read in checked batches", measured(READ, pairs))
    report("read whole (Run.table)", measured(READ_WHOLE, pairs))
    size = Run.open(pairs).manifest.artifacts["creative_pairs"].n_bytes
    print(f"creative_pairs.parquet: {size / 2**20:,.0f} MB")


def measured(code: str, folder: Path, *arguments: str) -> tuple[int, float, float, str]:
    """Rows, seconds, peak MB and folder of one step in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), *arguments],
        check=True,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    rows, seconds, peak, path = json.loads(done.stdout.splitlines()[-1])
    return rows, seconds, peak, path


def report(step: str, figures: tuple[int, float, float, str]) -> None:
    """Print one line."""
    rows, seconds, peak, _ = figures
    print(f"{step:34}{rows:12,}{seconds:8.1f}{peak:9,.0f}")


def drawn_run(root: Path, n_products: int, ads_each: int) -> Path:
    """A run of ads; drawn once for each size."""
    known = root / f"{n_products}x{ads_each}"
    if known.is_file():
        return Path(known.read_text())
    rng = np.random.default_rng(20_260_301)
    n_ads = n_products * ads_each
    product = np.repeat(np.arange(n_products), ads_each)
    base = -3.5 + 0.4 * rng.standard_normal(n_products)
    rate = 1 / (1 + np.exp(-base[product] - 0.2 * rng.standard_normal(n_ads)))
    impressions = np.rint(20_000 * np.exp(0.5 * rng.standard_normal(n_ads) - 0.125)).astype(int)
    names = pl.Series(product).cast(pl.String).str.zfill(9)
    ads = names + "/" + pl.Series(np.arange(n_ads)).cast(pl.String).str.zfill(9) + ".jpg"
    creatives = pl.DataFrame(
        {
            "creative_id": ads,
            "product_id": names,
            "image_path": "images/" + ads,
            "image_sha256": ads + "0" * 41,
        }
    ).with_columns(
        source=pl.lit("logged"),
        sample_id=pl.lit(None, pl.String),
        generator=pl.lit(None, pl.String),
        seed=pl.lit(None, pl.Int64),
        width=pl.lit(512, pl.Int32),
        height=pl.lit(512, pl.Int32),
    )
    counts = pl.DataFrame(
        {
            "creative_id": ads,
            "n_impressions": impressions,
            "n_clicks": rng.binomial(impressions, rate),
        },
        schema=CREATIVE_COUNTS.schema,
    )
    ids = names.gather(np.arange(0, n_ads, ads_each))
    categories = pl.Series([f"category {number:02}" for number in range(CATEGORIES)])
    category = categories.gather(rng.integers(0, CATEGORIES, n_products))
    products = pl.DataFrame(
        {
            "product_id": ids,
            "title": pl.repeat("", n_products, eager=True),
            "category": category,
            "category_path": category,
            "cutout_path": pl.repeat(None, n_products, dtype=pl.String, eager=True),
            "split": pl.Series(["train", "val", "test"]).gather(
                rng.choice(3, n_products, p=[0.8, 0.1, 0.1])
            ),
        }
    )
    with RunWriter(root / "runs", "ingest", Config()) as run:
        run.write_table(CREATIVES, creatives)
        run.write_table(CREATIVE_COUNTS, counts)
        run.write_table(PRODUCTS, products)
    known.write_text(str(run.path))
    return run.path


if __name__ == "__main__":
    main()
