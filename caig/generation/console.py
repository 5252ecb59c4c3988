"""What ``caig cut-out`` and ``caig generate`` show in a terminal."""

import sys

import polars as pl

from caig.generation.cutting import CutOutSummary
from caig.generation.estimating import Estimate
from caig.text import plural, printable

SHOWN = 12


def print_cutouts(summary: CutOutSummary) -> None:
    """Counts by status, then what is doubtful or failed, the worst first."""
    cutouts = summary.cutouts
    counted = dict(cutouts["status"].value_counts().iter_rows())
    parts = [f"{counted.get(name, 0):,} {name}" for name in ("ok", "doubtful", "failed")]
    print(
        f"{plural(cutouts.height, 'picture')}: {', '.join(parts)}; "
        f"{plural(summary.n_products, 'product')} in the catalogue"
    )
    wrong = cutouts.filter(pl.col("status") != "ok").sort("mask_score", nulls_last=False)
    for row in wrong.head(SHOWN).iter_rows(named=True):
        score = "-" if row["mask_score"] is None else f"{row['mask_score']:.2f}"
        print(
            f"  {row['status']:8} {score:>4}  {printable(row['source_path'])}: "
            f"{printable(row['reason'])}"
        )
    if wrong.height > SHOWN:
        print(f"  and {wrong.height - SHOWN:,} more; see the table cutouts")
    unused = counted.get("doubtful", 0)
    if unused and not cutouts.filter(pl.col("status") == "doubtful")["used"].any():
        print("  doubtful ones are left out; to use them: --set use_doubtful=true", file=sys.stderr)


def print_generated(creatives: pl.DataFrame) -> None:
    """What was painted."""
    names = ", ".join(creatives["generator"].unique().sort())
    products = creatives["product_id"].n_unique()
    print(f"{plural(creatives.height, 'ad')} of {plural(products, 'product')}, painted by {names}")


def print_estimate(found: Estimate, name: str) -> None:
    """What a generation will take, as ``--dry-run`` says it."""
    print(f"{plural(found.n_pictures, 'picture')}, painted by {name}")
    print(
        f"time    {_duration(found.seconds)}, loading apart: "
        f"{plural(found.n_batches, 'batch', 'batches')} of {found.seconds_per_batch:.3g} s "
        f"({found.how})"
    )
    weights = ", ".join(f"{size / 1e9:.3g} GB {kind}" for kind, size in found.weights.items())
    working = f"{found.working_bytes / 1e9:.2g} GB more while it paints"
    print(f"memory  weights: {weights or 'none'}; {working}")


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.2g} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
