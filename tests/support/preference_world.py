"""What an alignment needs beside a shop of coloured squares: judges, a truth, a start.

Pictures are painted by ``plain_generator``: one colour a picture, made of product and prompt. So a
judge of colours has a taste that is as good as random, but always the same.
"""

from pathlib import Path

import numpy as np
import polars as pl
from coloured_shop import SMALL
from PIL import Image

from caig.contracts.creatives import PAIR_SCORES
from caig.mllm.config import PretrainConfig
from caig.mllm.training_run import pretrain_run
from caig.preference.config import AlignConfig
from caig.runs.store import Run

START = PretrainConfig.model_validate(
    {
        "picture_side": 32,
        "tiny": {**SMALL.model_dump(), "vocabulary": 400},
        "mix": {
            "examples": 3000,
            "batch_size": 25,
            "learning_rate": 8e-3,
            "weights": {"create": 1.0},
        },
        "validation": {"products": 0, "pictures": 0},
    }
)


RECIPE = AlignConfig.model_validate(
    {
        "epochs": 2,
        "products": 6,
        "scorer": "preference_world:RedJudge",
        "truth": "preference_world:truth",
        "sampling": {"max_new_tokens": 12, "batch_size": 4},
        "generation": {"generator": "plain_generator:PlainGenerator", "size": 32, "batch_size": 3},
        "corruption": {"patch": 8},
        "optim": {"learning_rate": 3e-3, "batch_size": 1, "checkpoint_every": 1},
        "stop": {"min_valid": 0.0, "min_matching": 0.0},
    }
)


def changed(**sections):
    """The recipe with other values."""
    values = RECIPE.model_dump()
    for name, value in sections.items():
        values[name] = {**values[name], **value} if isinstance(value, dict) else value
    return AlignConfig.model_validate(values)


def write_start(shop, runs):
    """A run of a prompt model that has learnt to write two phrases and end."""
    return Run.open(pretrain_run(shop, START, runs=runs))


class RedJudge:
    """Prefers the redder picture, whatever side it is on."""

    name = "test:red"
    leaning = 0.0

    def score_pairs(self, pairs: pl.DataFrame, images: Path) -> pl.DataFrame:
        run = Run.open(images)
        paths = dict(run.table("creatives").select("creative_id", "image_path").iter_rows())
        rows = []
        for pair in pairs.iter_rows(named=True):
            red = [
                np.asarray(Image.open(images / paths[pair[f"{side}_id"]]))[0, 0, 0] / 64
                for side in ("left", "right")
            ]
            for presentation, lean in (("as_is", self.leaning), ("swapped", -self.leaning)):
                p = 1 / (1 + np.exp(red[1] - red[0] - lean))
                rows.append((pair["pair_id"], self.name, presentation, float(p), None, None))
        return pl.DataFrame(rows, schema=PAIR_SCORES.schema, orient="row")


class LeaningJudge(RedJudge):
    """Prefers the left picture, whatever is on it."""

    name = "test:left"
    leaning = 100.0


def truth(prompts: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
    """The longer a prompt, the more it is clicked."""
    del products
    length = pl.col("prompt").str.len_chars()
    return prompts.select("prompt_id", suits=length > 12, true_ctr=length / 1000)
