"""Runs of trained baselines: which there are, what lies in them, what they are made from."""

from pathlib import Path
from typing import NamedTuple

import polars as pl

from caig.data.sources import data_run
from caig.errors import ArtifactError, DataError
from caig.runs.files import sha256_file
from caig.runs.store import Run
from reference_models.item_lists import ItemLists, item_lists
from reference_models.pictures import read_ads

VERB = "train-baseline"


def open_baseline(path: Path, model: str) -> Run:
    """Open a run of ``caig train-baseline MODEL``.

    Raises:
        ArtifactError: It is none.
    """
    run = Run.open(path)
    if f"{model}_weights" not in run.manifest.artifacts:
        raise ArtifactError(
            f"{path}: holds no {model.upper()}; it is a run of {run.manifest.verb}. "
            f"Train one with: caig {VERB} {model} DATA_RUN"
        )
    return run


def weights_of(run: Run) -> Path:
    """The weights of a trained baseline, checked against the manifest.

    Raises:
        ArtifactError: They are gone or altered.
    """
    name = next(name for name in run.manifest.artifacts if name.endswith("_weights"))
    file = run.file(name)
    if sha256_file(file) != run.manifest.artifacts[name].sha256:
        raise ArtifactError(f"{file}: content changed since training")
    return file


class DataOfRun(NamedTuple):
    """What a baseline is trained on.

    Attributes:
        data: Run that holds the ads and their counts.
        ads: As :func:`reference_models.pictures.read_ads` gives them.
        split: product_id, split.
    """

    data: Run
    ads: pl.DataFrame
    split: pl.DataFrame

    def lists(self, split: str, *, min_impressions: int) -> ItemLists:
        """Lists of one split's products.

        Raises:
            DataError: No product of the split has two ads with enough impressions.
        """
        ads = self.ads.join(self.split.filter(pl.col("split") == split), on="product_id")
        counts = self.data.table("creative_counts")
        found = item_lists(ads, counts, min_impressions=min_impressions)
        if not found.n_items:
            raise DataError(
                f"{self.data.path}: no product of the split '{split}' has two ads with "
                f"{min_impressions:,} impressions or more"
            )
        return found


def data_of(run: Run) -> DataOfRun:
    """Ads, counts and splits behind a run of data or of pairs.

    Args:
        run: The run. Where it is of pairs, products are split as its pairs are, and a product
            without pairs is left out; a data run's own products table splits it.

    Raises:
        ArtifactError: The run's data is not there.
        DataError: Nothing says which product is of which split.
    """
    data = data_run(run)
    if "creative_pairs" in run.manifest.artifacts:
        split = run.table("creative_pairs").select("product_id", "split").unique()
    elif "products" in data.manifest.artifacts:
        split = data.table("products").select("product_id", "split")
    else:
        raise DataError(
            f"{run.path}: no table of products with their splits; give a run of `caig pairs`"
        )
    return DataOfRun(data, read_ads(data.path), split)
