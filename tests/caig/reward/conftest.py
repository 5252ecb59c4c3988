"""A shop of 24 tiny ads whose colour decides what is clicked, as runs on disk."""

from itertools import combinations

import numpy as np
import polars as pl
import pytest
from PIL import Image

from caig.config import Config
from caig.contracts.creatives import CREATIVE_PAIRS, CREATIVES, PRODUCTS
from caig.runs.store import Run, RunWriter

SIDE = 16
SPLITS = ("train", "train", "train", "train", "val", "test")
KINDS = ("Mugs", "Tents")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """The run of data and the run of its pairs."""
    root = tmp_path_factory.mktemp("shop") / "runs"
    rng = np.random.default_rng(0)
    products, creatives, ads = [], [], []
    with RunWriter(root, "make-data", Config()) as run:
        (run.path / "images").mkdir()
        for i, (kind, split) in enumerate((k, s) for k in KINDS for s in SPLITS):
            product = f"p{i:02d}"
            title = f"Blue {kind.lower()[:-1]} number {i}"
            products.append((product, title, kind, f"Goods > {kind}", "cut.png", split))
            for n, red in enumerate((30, 120, 220)):
                pixels = rng.integers(0, 30, (SIDE, SIDE, 3)) + np.array([red, 60, 200 * (i % 2)])
                name = f"images/{product}-{n}.png"
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(run.path / name)
                creative = f"{product}-{n}"
                creatives.append((creative, product, name, "0", "logged", SIDE, SIDE))
                better = red if kind == "Mugs" else 250 - red  # a taste that depends on the kind
                ads.append((product, kind, split, creative, 20_000, 200 + 2 * better))
        columns = ["creative_id", "product_id", "image_path", "image_sha256", "source"]
        table = pl.DataFrame(creatives, schema=[*columns, "width", "height"], orient="row")
        unknown = [pl.lit(None).alias(c) for c in ("sample_id", "generator", "seed")]
        typed = table.with_columns(unknown).select(CREATIVES.schema.names()).cast(CREATIVES.schema)
        run.write_table(CREATIVES, typed)
        run.write_table(PRODUCTS, pl.DataFrame(products, schema=PRODUCTS.schema, orient="row"))
    data = Run.open(run.path)
    with RunWriter(root, "pairs", Config(), inputs={"data": data}) as run:
        run.write_table(CREATIVE_PAIRS, _pairs(ads))
    return data, Run.open(run.path)


def _pairs(ads: list[tuple[str, str, str, str, int, int]]) -> pl.DataFrame:
    rows = []
    for n, (left, right) in enumerate(combinations(ads, 2)):
        if left[0] == right[0]:
            one, other = (left, right) if n % 2 else (right, left)
            ctr = [ad[5] / ad[4] for ad in (one, other)]
            names = (f"pair-{n}", left[0], left[1], one[3], other[3])
            counts = (one[4], other[4], one[5], other[5])
            rows.append((*names, *counts, *ctr, float(ctr[0] > ctr[1]), "any", left[2]))
    return pl.DataFrame(rows, schema=CREATIVE_PAIRS.schema, orient="row")
