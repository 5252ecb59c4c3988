"""A small catalogue with cut-outs, as a run."""

import numpy as np
import polars as pl
import pytest

from caig.config import Config
from caig.contracts.creatives import PRODUCTS
from caig.generation.sheet import encode_png
from caig.runs.images import add_image
from caig.runs.store import Run, RunWriter

COLOURS = {"cup": (200, 30, 30), "tea": (20, 120, 60), "hat": (40, 40, 160)}


def product(colour, side=48):
    """A shaded disc with a soft rim."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    radius = np.hypot(y, x)
    rgba = np.zeros((side, side, 4), np.uint8)
    rgba[..., :3] = np.clip(np.asarray(colour) + (3 * x)[..., None], 0, 255)
    rgba[..., 3] = np.clip(255 * (side / 2 - 1 - radius) / 3, 0, 255)
    return rgba


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    """A run of three products."""
    root = tmp_path_factory.mktemp("catalogue")
    with RunWriter(root, "cut-out", Config()) as run:
        rows = [
            (
                name,
                name.title(),
                "Things",
                "Things",
                add_image(run.path, encode_png(product(c)))[0],
                "test",
            )
            for name, c in COLOURS.items()
        ]
        run.write_table(PRODUCTS, pl.DataFrame(rows, schema=PRODUCTS.schema, orient="row"))
    return Run.open(run.path)
