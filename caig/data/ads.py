"""The ads of a run as one frame: what each showed, gathered, and which split it is in."""

import hashlib

import polars as pl

from caig.contracts.creatives import SPLITS, UNCATEGORISED
from caig.data.config import SplitConfig
from caig.data.splits import split_of
from caig.data.streaming import scan_table
from caig.errors import DataError, Problem
from caig.runs.store import Run

SHOWN = 3


def counted_ads(run: Run, *, min_impressions: int, split: SplitConfig) -> pl.DataFrame:
    """Ads with more than ``min_impressions``, ordered by product and identifier.

    Args:
        run: Run with creatives and creative_counts, and products where they are known.
        min_impressions: An ad has more than this.
        split: How products are divided where there is no table of them.

    Returns:
        Columns creative_id, product_id, image_path, image_sha256, n_impressions, n_clicks,
        category, split. Of headlines, the path is null and the sum is that of the text.

    Raises:
        ArtifactError: The run has no creatives or counts.
        DataError: An ad's counts belong to no creative, or a creative's product is unknown.
    """
    counts = scan_table(run, "creative_counts")
    creatives = _contents(run)
    _refuse_unknown(run, "creative_id", {"creative_counts": counts, "creatives": creatives})
    ads = counts.filter(pl.col("n_impressions") > min_impressions).join(creatives, on="creative_id")
    if "products" in run.manifest.artifacts:
        products = scan_table(run, "products").select("product_id", "category", "split")
        _refuse_unknown(run, "product_id", {"creatives": creatives, "products": products})
        ads = ads.join(products, on="product_id")
        found = ads.collect(engine="streaming")
    else:
        found = ads.collect(engine="streaming")
        ids = found["product_id"].unique()
        divided = pl.DataFrame({"product_id": ids, "split": split_of(ids, split)})
        found = found.join(divided, on="product_id").with_columns(category=pl.lit(UNCATEGORISED))
    return found.sort("product_id", "creative_id").select(
        "creative_id",
        "product_id",
        "image_path",
        "image_sha256",
        "n_impressions",
        "n_clicks",
        "category",
        "split",
    )


def without_shared(ads: pl.DataFrame, shared: pl.DataFrame) -> pl.DataFrame:
    """Ads without those whose picture is also in a split further from training.

    Args:
        ads: Columns image_sha256, split, and others.
        shared: Columns image_sha256, split: pictures and all the splits each is in.
    """
    order = pl.col("split").replace_strict(
        list(SPLITS), list(range(len(SPLITS))), return_dtype=pl.Int8
    )
    last = shared.group_by("image_sha256").agg(_last=order.max())
    return (
        ads.join(last, on="image_sha256", how="left", maintain_order="left")
        .filter(pl.col("_last").is_null() | (order == pl.col("_last")))
        .drop("_last")
    )


def _contents(run: Run) -> pl.LazyFrame:
    """What each ad shows: creative_id, product_id, image_path, image_sha256."""
    if "headlines" not in run.manifest.artifacts:
        return scan_table(run, "creatives").select(
            "creative_id", "product_id", "image_path", "image_sha256"
        )
    ads = run.table("headlines")
    sums = [hashlib.sha256(headline.encode()).hexdigest() for headline in ads["headline"]]
    return ads.lazy().select(
        "creative_id",
        "product_id",
        pl.lit(None, pl.String).alias("image_path"),
        pl.Series("image_sha256", sums, dtype=pl.String),
    )


def _refuse_unknown(run: Run, key: str, tables: dict[str, pl.LazyFrame]) -> None:
    """Raise if a key of the first table is not in the second."""
    (name, table), (known_name, known) = tables.items()
    strays = table.select(key).unique().join(known.select(key), on=key, how="anti").collect()
    if strays.is_empty():
        return
    rows = tuple(f"{key}={value!r}" for value in strays[key].sort().head(SHOWN))
    rule = f"is in {name} but not in {known_name}"
    raise DataError.from_problems(
        str(run.path), [Problem(key, rule, strays.height, rows)], "make the run again"
    )
