"""A shop of coloured squares: three kinds of goods, three places that are plain colours."""

import numpy as np
import polars as pl
from PIL import Image

from caig.config import Config
from caig.contracts.creatives import CAPTIONS, CREATIVE_COUNTS, CREATIVES, PRODUCTS
from caig.contracts.worlds import SCENE_SUITABILITY
from caig.mllm.config import TinyConfig
from caig.runs.store import Run, RunWriter

PLACES = {"kitchen": (200, 60, 40), "meadow": (40, 180, 60), "desk": (40, 60, 200)}
KINDS = {"Mugs": ("kitchen", 40), "Balls": ("meadow", 128), "Lamps": ("desk", 220)}
LIGHTS = ("night", "daylight")
SPLITS = ("train", "train", "train", "val", "test")
SIDE = 32

SMALL = TinyConfig(width=32, heads=2, vision_layers=1, text_layers=1, image_size=32, vocabulary=320)


def picture(path, place, grey):
    """A square of one grey on a place's colour; on nothing where there is no place."""
    pixels = np.zeros((SIDE, SIDE, 4), np.uint8)
    if place:
        pixels[:] = (*PLACES[place], 255)
    else:
        pixels[:] = (255, 0, 255, 0)  # colour under clear pixels, as drawn cut-outs have it
    pixels[8:24, 8:24] = (grey, grey, grey, 255)
    path.parent.mkdir(exist_ok=True)
    picture = Image.fromarray(pixels)
    (picture.convert("RGB") if place else picture).save(path)


def shop_tables(folder):
    """Tables of the shop by name; its pictures are written into ``folder``."""
    products, creatives, captions, counts = [], [], [], []
    for kind, (home, grey) in KINDS.items():
        for n, split in enumerate(SPLITS):
            name = f"{kind.lower()}-{n}"
            cutout = f"images/{name}.png"
            picture(folder / cutout, None, grey + 3 * n)
            title = f"Fine {kind.lower()[:-1]} number {n}"
            products.append((name, title, kind, f"Home > {kind}", cutout, split))
            for k in range(4):
                place = home if k else [p for p in PLACES if p != home][n % 2]
                image = f"images/{name}-{k}.png"
                picture(folder / image, place, grey + 3 * n)
                ad = f"{name}-{k}"
                digest = f"{len(creatives):064d}"
                fields = (ad, name, image, digest, "logged", None, None, None, SIDE, SIDE)
                creatives.append(fields)
                captions.append((ad, f"{place}, {LIGHTS[k % 2]}"))
                counts.append((ad, 1000 * (k + 1), 20 * (k + 1) + 5 * k))
    suits = [(kind, place, KINDS[kind][0] == place) for kind in KINDS for place in PLACES]
    rows = (
        (PRODUCTS, products),
        (CREATIVES, creatives),
        (CAPTIONS, captions),
        (CREATIVE_COUNTS, counts),
        (SCENE_SUITABILITY, suits),
    )
    return {
        table.name: (table, pl.DataFrame(row, schema=table.schema, orient="row"))
        for table, row in rows
    }


class NoSettings(Config):
    """The shop has nothing to set."""


def write_shop(runs, *, without=()):
    """The shop as a run."""
    with RunWriter(runs, "make-data", NoSettings()) as run:
        for name, (table, frame) in shop_tables(run.path).items():
            if name not in without:
                run.write_table(table, frame)
    return Run.open(run.path)
