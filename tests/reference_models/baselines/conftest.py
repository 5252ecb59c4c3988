"""A small data run whose brighter ads are clicked more, and its pairs."""

import io
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from PIL import Image

from caig.config import Config
from caig.contracts.creatives import CREATIVE_COUNTS, CREATIVE_PAIRS, CREATIVES, PRODUCTS
from caig.runs.images import add_image
from caig.runs.store import Run, RunWriter

ADS = 4
SIDE = 24


class Nothing(Config):
    """No settings."""


class World(NamedTuple):
    data: Run
    pairs: pl.DataFrame
    bright: dict  # creative: brightness, 0 to 255


def picture(level, rng):
    noise = rng.integers(-12, 13, (SIDE, SIDE, 3))
    file = io.BytesIO()
    Image.fromarray(np.clip(level + noise, 0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def make_world(root, *, n_products=12, title="Lamp {}", with_products=True):
    rng = np.random.default_rng(0)
    bright, creatives, counts, products, pairs = {}, [], [], [], []
    with RunWriter(root, "make-data", Nothing()) as run:
        for p in range(n_products):
            split = ("train", "train", "val", "test")[p % 4]
            category = ("Lamps", "Mugs")[p % 2]
            products.append((f"p{p}", title.format(p), category, f"Home > {category}", "", split))
            shown = []
            for a, level in enumerate(rng.permutation([40, 100, 160, 220])):
                name = f"p{p}-a{a}"
                path, digest = add_image(run.path, picture(level, rng))
                row = (name, f"p{p}", path, digest, "logged", None, None, None, SIDE, SIDE)
                creatives.append(row)
                counts.append((name, 10_000, 100 + int(level)))
                bright[name] = int(level)
                shown.append((name, 10_000, 100 + int(level)))
            for i in range(ADS):
                for j in range(i + 1, ADS):
                    (left, n, x), (right, m, y) = shown[i], shown[j]
                    row = (f"{left}|{right}", f"p{p}", category, left, right, n, m, x, y)
                    better = 0.9 if x > y else 0.1
                    pairs.append((*row, x / n, y / m, better, "any", split))
        run.write_table(CREATIVES, pl.DataFrame(creatives, CREATIVES.schema, orient="row"))
        run.write_table(CREATIVE_COUNTS, pl.DataFrame(counts, CREATIVE_COUNTS.schema, orient="row"))
        if with_products:
            run.write_table(PRODUCTS, pl.DataFrame(products, PRODUCTS.schema, orient="row"))
    frame = pl.DataFrame(pairs, CREATIVE_PAIRS.schema, orient="row")
    return World(Run.open(run.path), frame, bright)


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """Twelve products of four ads each; shared, not to be changed."""
    return make_world(tmp_path_factory.mktemp("world") / "runs")


@pytest.fixture
def new_world(tmp_path):
    """Makes a world of one's own."""
    return lambda **options: make_world(tmp_path / "runs", **options)
