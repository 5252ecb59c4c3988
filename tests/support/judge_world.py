"""A run of products, and a run of their generated ads, as ``caig generate`` writes them."""

import io
from typing import NamedTuple

import numpy as np
import polars as pl
from PIL import Image

from caig.config import Config
from caig.contracts.creatives import CREATIVES, PRODUCTS, PROMPTS
from caig.runs.images import add_image
from caig.runs.store import Run, RunWriter

SIDE = 32
CATEGORIES = ("Lamps", "Mugs")


class World(NamedTuple):
    products: Run
    ads: Run
    bright: dict  # creative: mean brightness of its picture, 0 to 255


def picture(level, seed):
    """Grey of one brightness; no two seeds give the same picture."""
    noise = np.random.default_rng(seed).integers(-8, 9, (SIDE, SIDE, 3))
    file = io.BytesIO()
    Image.fromarray(np.clip(level + noise, 0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def make_world(root, n=6, *, title="Product {}", levels=(40, 215), same_pictures=False):
    """``n`` products in two categories, one ad each; every second ad is bright."""
    products, creatives, prompts, bright = [], [], [], {}
    for i in range(n):
        category = CATEGORIES[i % 2]
        name = title.format(i)
        products.append((f"p{i}", name, category, category, None, "test"))
        prompts.append((f"s{i}", f"p{i}", f"a place for {category.lower()}", "command line"))
    with RunWriter(root, "cut-out", Config()) as run:
        run.write_table(PRODUCTS, pl.DataFrame(products, PRODUCTS.schema, orient="row"))
    catalogue = Run.open(run.path)
    with RunWriter(root, "generate", Config(), inputs={"products": catalogue}) as run:
        for i in range(n):
            level = levels[i // 2 % len(levels)]
            path, digest = add_image(run.path, picture(level, 0 if same_pictures else i))
            row = (f"c{i}", f"p{i}", path, digest, "generated", f"s{i}", "procedural", 0)
            creatives.append((*row, SIDE, SIDE))
            bright[f"c{i}"] = level
        run.write_table(CREATIVES, pl.DataFrame(creatives, CREATIVES.schema, orient="row"))
        run.write_table(PROMPTS, pl.DataFrame(prompts, PROMPTS.schema, orient="row"))
    return World(catalogue, Run.open(run.path), bright)


def judged(world, root, **settings):
    """Judge a world's ads; gives the finished run's ``Judged``."""
    from evaluation.judge.record import new_task, record_judging

    task = new_task(config(**settings), {"ads": world.ads}, root, None)
    return record_judging(root, task, advance=lambda *_: None)


def config(**settings):
    """A configuration of one's own: ``api__x`` is a key of the section ``api``."""
    from evaluation.judge.config import JudgeConfig

    sections = {}
    for name, value in settings.items():
        section, _, key = name.partition("__")
        if key:
            sections.setdefault(section, {})[key] = value
        else:
            sections[name] = value
    return JudgeConfig.model_validate(sections)
