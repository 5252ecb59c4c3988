"""A generator of plain pictures, for tests of what is around a generator."""

import hashlib
import os
import time
from pathlib import Path

import numpy as np
import polars as pl

from caig.contracts.creatives import CREATIVES
from caig.generation.sheet import encode_png
from caig.runs.images import add_image


class PlainGenerator:
    """One colour a picture, made of product and prompt; slow if PLAIN_SECONDS says so."""

    name = "procedural/plain"

    def __init__(self, config):
        self.config = config
        self.batches = []

    def generate(self, prompts: pl.DataFrame, products: pl.DataFrame, out: Path) -> pl.DataFrame:
        assert set(prompts["product_id"]) <= set(products["product_id"])
        self.batches.append(prompts["prompt_id"].to_list())
        rows = []
        for prompt_id, product_id, prompt in prompts.select(
            "prompt_id", "product_id", "prompt"
        ).iter_rows():
            time.sleep(float(os.environ.get("PLAIN_SECONDS", "0")))
            digest = hashlib.sha256(f"{product_id} {prompt}".encode()).digest()
            side = self.config.size
            picture = np.broadcast_to(np.frombuffer(digest[:3], np.uint8), (side, side, 3)).copy()
            path, sha = add_image(out, encode_png(picture))
            common = ("generated", prompt_id, self.name, self.config.seed, side, side)
            rows.append((f"{prompt_id}-{sha[:8]}", product_id, path, sha, *common))
        return pl.DataFrame(rows, schema=CREATIVES.schema, orient="row")
