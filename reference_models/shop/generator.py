"""The procedural generator: reads a scene from the prompt and draws it. It is not a model.

It stands where a diffusion pipeline stands, behind the same protocol, so that everything runs on a
fresh machine. Its name says what it is in every artifact. What it cannot read of a prompt is in
its readings; a prompt without a scene gets a bare studio backdrop, and its reading says so.
"""

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import polars as pl

from caig.contracts.creatives import CREATIVES
from caig.contracts.worlds import PROMPT_READINGS
from caig.errors import DataError
from caig.generation.sheet import encode_png
from caig.runs.images import add_image
from reference_models.shop.ads import draw_ad, draw_bare_ad
from reference_models.shop.products import number_of
from reference_models.shop.prompts import read
from reference_models.shop.world import GENERATOR


class Settings(Protocol):
    """What the generator takes of a generation's configuration."""

    size: int
    seed: int


class ProceduralGenerator:
    """A ``CreativeGenerator`` that draws shop-world scenes.

    Args:
        settings: Size of the pictures (px) and seed.

    Attributes:
        name: "procedural/shop-1".
    """

    name = GENERATOR

    def __init__(self, settings: Settings) -> None:
        self._size = settings.size
        self._seed = settings.seed

    def generate(self, prompts: pl.DataFrame, products: pl.DataFrame, out: Path) -> pl.DataFrame:
        """Draw one ad a prompt; two prompts of one product differ by their words alone.

        Args:
            prompts: ``prompts/1``.
            products: ``products/1``, with absolute cut-out paths.
            out: Folder of the run.

        Returns:
            ``creatives/1``, a row a prompt, in their order.

        Raises:
            DataError: A cut-out cannot be read.
        """
        paths = dict(products.select("product_id", "cutout_path").iter_rows())
        cutouts: dict[str, np.ndarray] = {}
        rows = []
        for prompt_id, product_id, text in prompts.select(
            "prompt_id", "product_id", "prompt"
        ).iter_rows():
            if product_id not in cutouts:
                cutouts = {product_id: _cutout(Path(paths[product_id]))}
            seed = number_of(f"{self._seed} {product_id}")
            look = read(text).look
            if look is None:
                picture = draw_bare_ad(cutouts[product_id], size=self._size)
            else:
                picture = draw_ad(look, cutouts[product_id], seed=seed, size=self._size)
            path, digest = add_image(out, encode_png(picture))
            rows.append(
                (
                    f"{prompt_id}-{digest[:8]}",
                    product_id,
                    path,
                    digest,
                    "generated",
                    prompt_id,
                    self.name,
                    seed,
                    self._size,
                    self._size,
                )
            )
        return pl.DataFrame(rows, schema=CREATIVES.schema, orient="row")

    def readings(self, prompts: pl.DataFrame) -> pl.DataFrame:
        """What was understood of each prompt.

        Args:
            prompts: ``prompts/1``.

        Returns:
            ``prompt_readings/1``, a row a prompt.
        """
        rows = []
        for prompt_id, text in prompts.select("prompt_id", "prompt").iter_rows():
            look, _, unread = read(text)
            drawn = (None,) * 5 if look is None else tuple(look)
            rows.append((prompt_id, *drawn, " ".join(unread)))
        return pl.DataFrame(rows, schema=PROMPT_READINGS.schema, orient="row")


def _cutout(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim != 3 or picture.shape[2] != 4:
        raise DataError(f"{path}: not an RGBA picture; make cut-outs with: caig cut-out")
    return cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA)
